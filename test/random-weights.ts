/** @file Models of any sizes with random weights, which no file holds. */
import { parametersOf } from "../src/models/architectures.ts";
import type { ChatGLMConfig, Layout, PrefixIds } from "../src/models/config.ts";
import { type BindWeights, floatWeights } from "../src/models/context.ts";
import { normals, randomStream } from "../src/random.ts";
import { filled, sizeOf } from "../src/tensor.ts";

/** ChatGLM-6B has as many key heads as query heads, and together they are as wide as the model: `groups` is ignored there. */
export function randomConfig(
  layout: Layout,
  heads: number,
  groups: number,
  headSize: number,
): ChatGLMConfig & { readonly prefixIds: PrefixIds } {
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
    vocabulary: 40,
    epsilon: 1e-5,
    ropeBase: 10000,
    contextLength: 64,
    prefixIds: { mask: 37, gmask: 38, sop: 39 },
  };
}

export function randomWeights(config: ChatGLMConfig): BindWeights {
  const shapes = new Map(parametersOf(config).map(({ name, shape }) => [name, shape]));
  return floatWeights((graph, name) => {
    const shape = shapes.get(name) as readonly number[];
    const values = name.includes("norm") ? filled(shape, 1).data : normals(randomStream(1, name), sizeOf(shape), 0.3);
    return graph.constant("float32", shape, values);
  });
}
