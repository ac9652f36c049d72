/** @file What is measured: models of ChatGLM2's structure in three sizes, and small ones of every structure. */
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { wholeNumber } from "../whole.ts";

const chatglm2 = { family: "chatglm2-6b", layout: "glm", epsilon: 1e-5, ropeBase: 10000 } as const;

/** By the name of the option; the last is ChatGLM2-6B's and ChatGLM3-6B's own. */
const shapes: ReadonlyMap<string, ChatGLMConfig> = new Map([
  [
    "tiny",
    {
      ...{ ...chatglm2, layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, headSize: 32 },
      ...{ vocabulary: 4160, contextLength: 512 },
    },
  ],
  [
    "small",
    {
      ...{ ...chatglm2, layers: 8, hidden: 1024, ffn: 2736, heads: 8, groups: 2, headSize: 128 },
      ...{ vocabulary: 16384, contextLength: 2048 },
    },
  ],
  [
    "6b",
    {
      ...{ ...chatglm2, layers: 28, hidden: 4096, ffn: 13696, heads: 32, groups: 2, headSize: 128 },
      ...{ vocabulary: 65024, contextLength: 8192 },
    },
  ],
]);

export function shapeOf(name: string): ChatGLMConfig {
  const found = shapes.get(name);
  if (found) return found;
  throw new Error(`--shape: expected one of ${[...shapes.keys()].join(", ")}, got ${JSON.stringify(name)}`);
}

/**
 * How many layers are measured: all, or `layers`, and then half as many as well, so that the rest can be extrapolated.
 * @throws Error that names the option
 */
export function measuredLayers(all: number, layers: string | undefined): readonly number[] {
  if (layers === undefined) return [all];
  const wanted = wholeNumber("layers", layers, 2);
  if (wanted > all) throw new Error(`--layers: the shape has ${all}, got ${wanted}`);
  return wanted === all ? [all] : [Math.floor(wanted / 2), wanted];
}

const least = { hidden: 128, ffn: 256, heads: 4, groups: 2, headSize: 32, vocabulary: 512, contextLength: 512 };

/** Small models, one of each structure; their kernels are those of the large ones. */
export const structures: Readonly<Record<string, Omit<ChatGLMConfig, "layers">>> = {
  "ChatGLM2, ChatGLM3": { ...chatglm2, ...least },
  "GLM-4": { ...least, family: "glm-4-9b", layout: "glm", epsilon: 1.5625e-7, ropeBase: 5_000_000 },
  "GLM-4, transformers' layout": {
    ...{ ...least, family: "glm-4-9b", layout: "transformers", epsilon: 1.5625e-7, ropeBase: 10000 },
  },
  "ChatGLM-6B": {
    ...{ ...least, groups: least.heads, family: "chatglm-6b", layout: "chatglm6b", epsilon: 1e-5, ropeBase: 10000 },
    prefixIds: { sop: 500, gmask: 501, mask: 502 },
  },
};

export function structureOf(name: string, layers: number): ChatGLMConfig {
  const found = structures[name];
  if (!found) throw new Error(`no structure is called ${JSON.stringify(name)}`);
  return { ...found, layers };
}
