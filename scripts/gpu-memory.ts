/** @file What models of the published sizes take of a GPU's memory, by the forms of their weights: the table of docs/gpu.md. */
import { markdownTable } from "../bench/table.ts";
import { WebGpu } from "../src/backend/webgpu.ts";
import type { Precision, Quantize } from "../src/engine/engine.ts";
import { memoryNeed, neededBytes } from "../src/engine/memory-fit.ts";
import { architectureOf, modulesOf, parametersOf } from "../src/models/architectures.ts";
import { readConfig } from "../src/models/config.ts";
import { planWeights } from "../src/quantization/plan.ts";
import { bytesOf } from "../src/weights/safetensors.ts";
import type { StoredTensor } from "../src/weights/stored.ts";
import { publishedGlm } from "../test/published-config.ts";

const GIGABYTE = 1e9;

/** Sizes as the published config.json has them. */
const sizes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "ChatGLM-6B": {
    model_type: "chatglm",
    num_layers: 28,
    hidden_size: 4096,
    inner_hidden_size: 16384,
    num_attention_heads: 32,
    vocab_size: 130528,
    max_sequence_length: 2048,
    position_encoding_2d: true,
    bos_token_id: 130004,
    eos_token_id: 130005,
    mask_token_id: 130000,
    gmask_token_id: 130001,
    pad_token_id: 3,
  },
  "ChatGLM2-6B, ChatGLM3-6B": { ...publishedGlm, seq_length: 8192 },
  "GLM-4-9B": { ...publishedGlm, num_layers: 40, padded_vocab_size: 151552, seq_length: 131072 },
};

const forms: readonly (readonly [string, Quantize, Precision])[] = [
  ["float32", "none", "exact"],
  ["float16", "none", "fast"],
  ["`int8`", "int8", "exact"],
  ["`int4`", "int4", "exact"],
  ["`int4`, `fast`", "int4", "fast"],
];

/** In GB: weights + what is there beside them while it answers, at the end of a conversation of 2,048 tokens. */
export function gpuMemoryTable(): string {
  const { can } = new WebGpu({ float16: true });
  return markdownTable(
    Object.entries(sizes).map(([model, json]) => {
      const config = readConfig(json, model);
      const stored = parametersOf(config).map(({ name, shape }): StoredTensor => {
        const bytes = bytesOf({ dtype: "float16", shape });
        return { name, dtype: "float16", shape, file: "model.safetensors", offset: 0, bytes };
      });
      const given = {
        parameters: parametersOf(config),
        modules: modulesOf(config),
        embedding: architectureOf(config).embedding,
        head: architectureOf(config).head,
        stored: new Map(stored.map((one) => [one.name, one])),
      };
      const cells = forms.map(([title, quantize, precision]) => {
        const need = memoryNeed(planWeights(model, given, { quantize, precision }, can), config);
        const rest = neededBytes(need) - need.weights;
        return [title, `${inGigabytes(need.weights)} + ${inGigabytes(rest)}`] as const;
      });
      return { model, ...Object.fromEntries(cells) };
    }),
  );
}

const inGigabytes = (bytes: number): string => (bytes / GIGABYTE).toFixed(1);
