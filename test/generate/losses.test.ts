/** @file Losses of rows, read forward, beside those that training computes: of base and adapters, of short rows together and of long ones in parts. */
import { describe, expect, it } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { type LabelledRow, losses, type RowLoss } from "../../src/generate/losses.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { normals, randomStream } from "../../src/random.ts";
import { sizeOf, tensor } from "../../src/tensor.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { randomConfig, randomWeights } from "../random-weights.ts";

const lora: AdapterConfig = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] };
const prefix: AdapterConfig = { method: "pTuning", length: 3, projection: false, dropout: 0 };

describe.each(["chatglm6b", "glm"] as const)("layout %s", (layout) => {
  const config = { ...randomConfig(layout, 4, 2, 8), contextLength: 1024 };
  const { gmask, sop } = config.prefixIds;
  const weights = randomWeights(config);
  const base = {
    ...{ parameters: parametersOf(config), modules: modulesOf(config), config },
    read: () => Promise.reject(new Error("no base weights are read")),
  };

  /** A prompt and an answer, of which the answer is labelled. */
  const row = (asked: number, answered: number) => {
    const ids = Array.from({ length: asked + answered }, (_, i) => (i * 7 + i * i) % 37);
    ids.splice(asked - 2, 2, gmask, sop);
    return { ids, labels: ids.map((id, i) => (i < asked ? -100 : id)) };
  };
  const rows = [row(9, 4), row(300, 250), row(20, 1), row(15, 30), row(12, 2)];

  async function adapterOf(method: AdapterConfig, seed: number) {
    const adapter = createAdapter(method, base);
    const values = adapter.parameters.map(({ name, shape }) => {
      const data = normals(randomStream(seed, name), sizeOf(shape), 0.5);
      return [name, tensor("float32", shape, data)] as const;
    });
    const tensors = Object.fromEntries(values);
    return { adapter, tensors, effect: await adapter.forInference(tensors) };
  }

  it("are those of training, whatever shares a run", async () => {
    const tried = [await adapterOf(lora, 1), await adapterOf(prefix, 2)];
    const still = createAdapter(lora, base);
    const model = new ForwardModel(config, weights, cpu);
    try {
      const all: LabelledRow[] = rows.flatMap((one) =>
        [undefined, ...tried.map(({ effect }) => effect)].map((effect) => ({ ...one, effect })),
      );
      const found: RowLoss[] = [];
      for await (const loss of losses(model, all)) found[loss.row] = loss;
      const effects = [{ adapter: still, tensors: await still.initialize(0) }, ...tried];
      for (const [at, { adapter, tensors }] of effects.entries()) {
        const program = await trainingProgram(config, adapter, weights, cpu);
        for (const [i, { ids, labels }] of rows.entries()) {
          const expected = await program.loss({ inputIds: [ids], labels: [labels] }, tensors);
          const { loss = Number.NaN, tokens = 0 } = found[i * effects.length + at] ?? {};
          expect(tokens).toBe(expected.tokens);
          expect(loss / tokens, `row ${i} of adapter ${at}`).toBeCloseTo(expected.loss, 4);
        }
        await program.dispose();
      }
      // They differ, or this showed nothing.
      expect(new Set(found.slice(0, 3).map(({ loss }) => loss.toFixed(3))).size).toBe(3);
    } finally {
      await model.dispose();
    }
  });
});
