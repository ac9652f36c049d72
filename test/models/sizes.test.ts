/** @file Sizes that no published model has: token by token on a cache, a model says what it says of the whole sequence. */
import { describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/engine/ort.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { Graph } from "../../src/graph/value.ts";
import { architectureOf, parametersOf } from "../../src/models/architectures.ts";
import { maskedAttention } from "../../src/models/attention.ts";
import type { ChatGLMConfig, Layout } from "../../src/models/config.ts";
import { floatWeights } from "../../src/models/context.ts";
import { maskInput, maskTensor, modelInputs, tokenTensors } from "../../src/models/inputs.ts";
import { rotaryTables } from "../../src/models/rotary.ts";
import { normals, randomStream } from "../../src/random.ts";
import { filled, sizeOf, tensor } from "../../src/tensor.ts";
import { deviation, floats } from "../oracle.ts";

const VOCABULARY = 40;
const [MASK, GMASK, SOP] = [37, 38, 39];

function configOf(layout: Layout, heads: number, groups: number, headSize: number): ChatGLMConfig {
  // ChatGLM-6B has as many key heads as query heads, and together they are as wide as the model.
  const first = layout === "chatglm6b";
  return {
    family: first ? "chatglm-6b" : "glm-4-9b",
    layout,
    layers: 2,
    hidden: first ? heads * headSize : 24,
    ffn: 20,
    heads,
    groups: first ? heads : groups,
    headSize,
    vocabulary: VOCABULARY,
    epsilon: 1e-5,
    ropeBase: 10000,
    contextLength: 64,
    prefixIds: { mask: MASK, gmask: GMASK, sop: SOP },
  };
}

const weightsOf = (config: ChatGLMConfig) => {
  const shapes = new Map(parametersOf(config).map(({ name, shape }) => [name, shape]));
  return floatWeights((graph, name) => {
    const shape = shapes.get(name)!;
    const values = name.includes("norm") ? filled(shape, 1).data : normals(randomStream(1, name), sizeOf(shape), 0.3);
    return graph.constant("float32", shape, values);
  });
};

const ids = [3, 9, 27, 14, GMASK, SOP, 5, 30, 11, 2];
const PROMPT = 6;

/** Logits of all positions, without a cache. */
async function wholeSequence(config: ChatGLMConfig): Promise<Float32Array> {
  const graph = new Graph();
  const { select: _, ...inputs } = modelInputs(graph, config);
  const attend = maskedAttention(config, maskInput(graph));
  graph.output(architectureOf(config).forward(weightsOf(config)(graph), config, inputs, attend).logits, "logits");
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
    const config = configOf(layout, heads, groups, headSize);
    const expected = await wholeSequence(config);
    const model = new ForwardModel(config, weightsOf(config), compileForCpu);
    const cache = model.newCache(1, 4);
    for (let end = PROMPT; end <= ids.length; end += 1) {
      const from = end === PROMPT ? 0 : end - 1;
      const rows = [{ ids: ids.slice(0, end), from }];
      const step = { rows, positions: [end - 1 - from], effects: [undefined], cache };
      const logits = floats(await model.run(step)) as Float32Array;
      const position = expected.subarray((end - 1) * VOCABULARY, end * VOCABULARY);
      expect(deviation(logits, position), `token ${end}`).toBeLessThan(1e-4);
    }
    await model.dispose();
  });
});
