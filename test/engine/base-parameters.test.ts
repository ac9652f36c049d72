/**
 * @file Methods that train the model's own parameters, on floats and on models in fewer bits: what trains, that losses fall, and
 * that merged, saved and loaded again is what was trained.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { sizeOf } from "../../src/tensor.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { ownHome } from "../home.ts";
import {
  copyOracleModel,
  deviation,
  oracleConfig,
  oracleFolder,
  oracleJson,
  oracleTensors,
  rowsOf,
} from "../oracle.ts";
import { loadModel } from "./oracle-suite.ts";

const home = ownHome();
const STEPS = 4;

const METHODS: readonly AdapterConfig[] = [
  { method: "freeze", layers: 1 },
  { method: "embeddings" },
  { method: "full" },
];

interface Case {
  readonly folder: string;
  readonly family: "chatglm-6b" | "chatglm2-6b";
  readonly form: "float32" | "float16" | "int8" | "int4";
}
const cases = (["chatglm-6b", "chatglm2-6b"] as const).flatMap((family): Case[] => [
  { folder: family, family, form: "float32" },
  { folder: `${family}-fp16-bin`, family, form: "float16" },
  { folder: `${family}-int8`, family, form: "int8" },
  { folder: `${family}-int4`, family, form: "int4" },
]);

describe.each(cases)("$folder", ({ folder, family, form }) => {
  const { layers, hidden, ffn, vocabulary, groups, headSize } = oracleConfig(folder);
  const packed = form === "int8" || form === "int4";
  const tied = family === "chatglm-6b";
  const table = vocabulary * hidden;
  /** What trains of a layer, and of what is in no layer. */
  const norms = tied ? 4 * hidden : 2 * hidden;
  const around = tied ? table + 2 * hidden : 2 * table + hidden;
  const qkv = hidden + 2 * groups * headSize;
  const matrices = tied
    ? [qkv * hidden, hidden * hidden, 2 * ffn * hidden, qkv + 2 * hidden + ffn]
    : [qkv * hidden, hidden * hidden, 3 * ffn * hidden, qkv];
  const layer = norms + (packed ? 0 : matrices.reduce((sum, size) => sum + size, 0));
  const trains = { freeze: layer, embeddings: table, full: layers * layer + around };

  let engine: LocalEngine;
  let model: string;
  let batch: { inputIds: number[][]; labels: number[][] };
  beforeAll(async () => {
    engine = new LocalEngine(only(cpu));
    model = (await loadModel(engine, copyOracleModel(folder, join(home, folder)))).key;
    const forward = await oracleTensors(family, "forward");
    batch = { inputIds: rowsOf(forward.input_ids!), labels: rowsOf(forward.labels!) };
  });
  afterAll(() => engine.close());

  const logits = async (key: string, name: string | null) => {
    const adapter = name === null ? null : { owner: "test", name };
    return (await engine.call("logits", { model: key, inputIds: batch.inputIds, adapter })).data;
  };

  it.each(METHODS.map((config, i) => ({ config, name: `${config.method}-${i}` })))(
    "$config: counts, learns, and is the same merged, saved and loaded",
    async ({ config, name }) => {
      const adapter = { owner: "test", name };
      const info = await engine.call("createAdapter", { model, adapter, config, seed: 0 });
      expect(info.trainableCount).toBe(trains[config.method as keyof typeof trains]);
      if (packed) {
        const { all_packed: all } = oracleJson(folder, "expected.json") as { all_packed: number };
        // Frequencies of positions are counted there, which no optimiser sees.
        const { tensors } = await openCheckpoint(oracleFolder(folder));
        const frequencies = [...tensors.values()].filter((tensor) => tensor.name.endsWith("inv_freq"));
        expect(info.allCount).toBe(all - frequencies.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
      }
      // The base's tables may lie in float16 or 8 bits: in float32 they are the same numbers.
      expect(deviation(await logits(model, name), await logits(model, null))).toBeLessThan(1e-5);
      const losses: number[] = [];
      for (let step = 0; step < STEPS; step += 1) {
        const { loss, handle } = await engine.call("gradients", { model, adapter, batch, seed: 0 });
        losses.push(loss);
        const target = { model, adapter, optimizer: "o", config: adamWConfig({ lr: 1e-3 }), handles: [handle] };
        await engine.call("optimizerStep", target);
      }
      expect(losses.at(-1)).toBeLessThan((losses[0] as number) - 0.02);
      for (const [k, loss] of losses.slice(1).entries())
        expect(loss, `step ${k + 1}`).toBeLessThan(losses[k] as number);

      const adapted = await logits(model, name);
      const saved = join(home, `${folder}-${name}`);
      await engine.call("saveModel", { model, adapter, folder: saved, maxShardBytes: 1e9 });
      const { tensors } = await openCheckpoint(saved);
      expect([...tensors.values()].some(({ dtype }) => dtype === "int8")).toBe(packed);
      if (tied) {
        // The table is the head, too, and lies there once.
        expect(tensors.has("transformer.word_embeddings.weight")).toBe(true);
        expect([...tensors.keys()].filter((tensor) => tensor.startsWith("lm_head"))).toEqual([]);
      }
      const again = (await loadModel(engine, saved)).key;
      expect(deviation(await logits(again, null), adapted)).toBeLessThan(1e-4);
      await engine.call("unload", { model: again });

      await engine.call("mergeAdapter", { model, adapter });
      expect((await engine.call("adapterInfo", { model, adapter })).merged).toBe(true);
      expect(deviation(await logits(model, name), adapted)).toBeLessThan(1e-4);
      await engine.call("disposeAdapter", { model, adapter });
    },
  );
});
