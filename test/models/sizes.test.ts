/** @file Sizes that no published model has: token by token on a cache, a model says what it says of the whole sequence. */
import { describe, expect, it } from "vitest";
import { compileForCpu, cpu } from "../../src/backend/cpu.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { Graph } from "../../src/graph/value.ts";
import { architectureOf } from "../../src/models/architectures.ts";
import { maskedAttention } from "../../src/models/attention.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { maskInput, maskTensor, modelInputs, tokenTensors } from "../../src/models/inputs.ts";
import { rotaryTables } from "../../src/models/rotary.ts";
import { tensor } from "../../src/tensor.ts";
import { deviation, floats } from "../oracle.ts";
import { randomConfig, randomWeights } from "../random-weights.ts";

const { gmask, sop } = randomConfig("glm", 1, 1, 4).prefixIds;
const ids = [3, 9, 27, 14, gmask, sop, 5, 30, 11, 2];
const PROMPT = 6;

/** Logits of all positions, without a cache. */
async function wholeSequence(config: ChatGLMConfig): Promise<Float32Array> {
  const graph = new Graph();
  const { select: _, ...inputs } = modelInputs(graph, config);
  const attend = maskedAttention(config, maskInput(graph));
  graph.output(architectureOf(config).forward(randomWeights(config)(graph), config, inputs, attend).logits, "logits");
  const program = await compileForCpu(graph);
  const seq = ids.length;
  const { logits } = await program.run({
    ...tokenTensors(config, [{ ids, from: 0 }], seq),
    ...rotaryTables(config, seq),
    select: tensor("int64", [0], new BigInt64Array(0)),
    mask: maskTensor(config, [{ ids, from: 0 }], seq),
  });
  await program.dispose();
  return floats(logits) as Float32Array;
}

describe.each(["chatglm6b", "glm", "transformers"] as const)("layout %s", (layout) => {
  it.each([
    [1, 1, 4],
    [3, 1, 12],
    [6, 3, 20],
    [4, 4, 8],
    [6, 2, 36],
    [2, 1, 132],
  ])("%i heads, %i for keys, of size %i", async (heads, groups, headSize) => {
    const config = randomConfig(layout, heads, groups, headSize);
    const expected = await wholeSequence(config);
    const model = new ForwardModel(config, randomWeights(config), cpu);
    const cache = model.newCache(1, 4);
    const adapters = await model.lease([undefined]);
    for (let end = PROMPT; end <= ids.length; end += 1) {
      const from = end === PROMPT ? 0 : end - 1;
      const rows = [{ ids: ids.slice(0, end), from }];
      const step = { rows, positions: [end - 1 - from], adapters, cache };
      const logits = floats(await model.run(step)) as Float32Array;
      const position = expected.subarray((end - 1) * config.vocabulary, end * config.vocabulary);
      expect(deviation(logits, position), `token ${end}`).toBeLessThan(1e-4);
    }
    await model.dispose();
  });
});
