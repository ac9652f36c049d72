/**
 * @file The first ChatGLM, a prefix language model: the question is read in both directions, the answer written to the
 * right of it, and every token has two positions (its place in the question, its place in the answer).
 *
 *   ids -> embedding -> [ x = norm h; y = a·x + attention x; z = norm y; h = a·z + mlp z ] x layers -> norm -> embedding' -> logits
 *
 * with a = sqrt(2 · 28), the residual carrying the normed input. Source: the published modelling code of
 * THUDM/chatglm-6b. Its attention first divides queries by (layer + 1) and multiplies scores by it again, which only
 * matters in float16.
 */
import { GlmError } from "../errors.ts";
import { gelu, layerNorm, rotary } from "../graph/layers.ts";
import { add, concat, gather, reshape, scale, split } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import {
  type Architecture,
  layerModules,
  type ModelInputs,
  type ModelOutputs,
  type Placement,
} from "./architecture.ts";
import type { Attention } from "./attention.ts";
import type { ChatGLMConfig, PrefixIds } from "./config.ts";
import type { ParameterBinder, ParameterSpec } from "./context.ts";

/** The embedding table is the head, too. */
const EMBEDDING = "transformer.word_embeddings";
const FINAL_NORM = "transformer.final_layernorm";
/** DeepNorm's factor for 28 layers: the published code takes it from there, however many layers the model has. */
const RESIDUAL = Math.sqrt(2 * 28);
const layerName = (index: number): string => `transformer.layers.${index}`;

export const chatglm6b: Architecture = {
  positions: ["positions", "block positions"],
  prefixLM: true,
  embedding: EMBEDDING,
  head: EMBEDDING,
  tiedHead: "lm_head",
  parameters,
  modules: (config) => layerModules(parameters(config)),
  placement,
  forward,
};

/**
 * The context ends where <sop> begins. From there on the first position stays at that of the mask token, and the second
 * one, zero so far, counts from 1.
 */
function placement(ids: readonly number[], { prefixIds }: ChatGLMConfig): Placement {
  const { sop, gmask, mask } = prefixIds as PrefixIds;
  const prefixLength = ids.indexOf(sop);
  const masked = ids.includes(gmask) ? ids.indexOf(gmask) : ids.indexOf(mask);
  if (prefixLength < 0 || masked < 0) {
    throw new GlmError(
      "data-invalid",
      `a ChatGLM-6B prompt: expected [gMASK] or [MASK] (${gmask} or ${mask}) and <sop> (${sop}), which say where the answer ` +
        `belongs, got ${ids.length > 8 ? `${ids.length} ids` : `[${ids}]`} without ${prefixLength < 0 ? "<sop>" : "a mask"}. ` +
        "Make prompts with glm.prompt, or end them with these two.",
    );
  }
  return {
    positions: [
      ids.map((_, i) => (i < prefixLength ? i : masked)),
      ids.map((_, i) => (i < prefixLength ? 0 : i - prefixLength + 1)),
    ],
    prefixLength,
  };
}

function forward(
  context: ParameterBinder,
  config: ChatGLMConfig,
  inputs: ModelInputs,
  attention: Attention,
): ModelOutputs {
  const norm = (x: Value, name: string) =>
    layerNorm(x, context.parameter(`${name}.weight`), context.parameter(`${name}.bias`), config.epsilon);
  const linear = (x: Value, module: string) => context.linear(x, module, { bias: true });
  const hidden: Value[] = [];
  let h = reshape(context.embed(inputs.ids, EMBEDDING), ["tokens", config.hidden]);
  for (let layer = 0; layer < config.layers; layer += 1) {
    hidden.push(h);
    const name = layerName(layer);
    const x = norm(h, `${name}.input_layernorm`);
    const [q, k, v] = queriesKeysValues(linear(x, `${name}.attention.query_key_value`), config, inputs);
    const mixed = attention.attend(layer, q, k, v);
    const attended = linear(reshape(mixed, ["tokens", config.hidden]), `${name}.attention.dense`);
    let y = add(scale(x, RESIDUAL), attended);
    // Past the last attention tokens no longer meet, so those whose logits nobody asked for end here.
    if (layer === config.layers - 1 && inputs.select) y = gather(y, inputs.select);
    const z = norm(y, `${name}.post_attention_layernorm`);
    const mlp = linear(gelu(linear(z, `${name}.mlp.dense_h_to_4h`)), `${name}.mlp.dense_4h_to_h`);
    h = add(scale(z, RESIDUAL), mlp);
  }
  return { logits: context.linear(norm(h, FINAL_NORM), EMBEDDING), hidden: [...hidden, h] };
}

/**
 * [tokens, 3 · hidden], in which each head's query, key and value lie side by side -> [batch, seq, hidden] each, queries and
 * keys rotated: the first half of each head by the one position, the second half by the other.
 */
function queriesKeysValues(
  qkv: Value,
  { heads, headSize, hidden }: ChatGLMConfig,
  { positions, cos, sin }: ModelInputs,
): [Value, Value, Value] {
  const byHead = reshape(qkv, ["batch", "seq", heads, 3 * headSize]);
  const [queriesKeys, values] = split(byHead, [2 * headSize, headSize], -1) as [Value, Value];
  // Both are rotated alike: together they are twice as many heads.
  const [many, half] = [2 * heads, headSize / 2];
  const halves = split(reshape(queriesKeys, ["batch", "seq", many, headSize]), [half, half], -1).map((part, i) => {
    const turned = rotary(reshape(part, ["batch", "seq", many * half]), {
      positions: positions[i] as Value,
      cos,
      sin,
      heads: many,
      rotated: half,
      interleaved: false,
    });
    return reshape(turned, ["batch", "seq", many, half]);
  });
  const rotated = reshape(concat(halves, -1), ["batch", "seq", heads, 2 * headSize]);
  const parts = [...split(rotated, [headSize, headSize], -1), values];
  return parts.map((part) => reshape(part, ["batch", "seq", hidden])) as [Value, Value, Value];
}

function parameters({ layers, hidden, ffn, vocabulary }: ChatGLMConfig): ParameterSpec[] {
  const withBias = (name: string, shape: readonly [number] | readonly [number, number]): ParameterSpec[] => [
    { name: `${name}.weight`, shape },
    { name: `${name}.bias`, shape: [shape[0]] },
  ];
  const layer = (index: number): ParameterSpec[] => {
    const name = layerName(index);
    return [
      ...withBias(`${name}.input_layernorm`, [hidden]),
      ...withBias(`${name}.attention.query_key_value`, [3 * hidden, hidden]),
      ...withBias(`${name}.attention.dense`, [hidden, hidden]),
      ...withBias(`${name}.post_attention_layernorm`, [hidden]),
      ...withBias(`${name}.mlp.dense_h_to_4h`, [ffn, hidden]),
      ...withBias(`${name}.mlp.dense_4h_to_h`, [hidden, ffn]),
    ];
  };
  return [
    { name: `${EMBEDDING}.weight`, shape: [vocabulary, hidden] },
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ...withBias(FINAL_NORM, [hidden]),
  ];
}
