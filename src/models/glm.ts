/**
 * @file The transformer of ChatGLM2, ChatGLM3 and GLM-4:
 *
 *   ids -> embedding -> [ x + attention(norm x) -> x + mlp(norm x) ] x layers -> norm -> head -> logits
 *
 * Source: the published modelling code of THUDM/chatglm2-6b, chatglm3-6b and glm-4-9b, and `GlmForCausalLM` of
 * transformers, which names the same tensors otherwise and keeps queries, keys and values apart.
 */
import { addRmsNorm, rmsNorm, rotary, silu } from "../graph/layers.ts";
import { add, gather, mul, reshape, split } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import { type Architecture, layerModules, type ModelInputs, type ModelOutputs } from "./architecture.ts";
import type { Attention } from "./attention.ts";
import type { ChatGLMConfig } from "./config.ts";
import type { ParameterBinder, ParameterSpec } from "./context.ts";

/** What a layout calls the modules. */
interface Names {
  readonly embedding: string;
  readonly layer: (index: number) => string;
  /** One module for queries, keys and values, or one for each. */
  readonly qkv: readonly [string] | readonly [string, string, string];
  readonly attentionOut: string;
  /** Gate and up projection, one above the other. */
  readonly gateUp: string;
  readonly down: string;
  readonly finalNorm: string;
  readonly head: string;
}

const published: Names = {
  embedding: "transformer.embedding.word_embeddings",
  layer: (index) => `transformer.encoder.layers.${index}`,
  qkv: ["self_attention.query_key_value"],
  attentionOut: "self_attention.dense",
  gateUp: "mlp.dense_h_to_4h",
  down: "mlp.dense_4h_to_h",
  finalNorm: "transformer.encoder.final_layernorm",
  head: "transformer.output_layer",
};

const transformers: Names = {
  embedding: "model.embed_tokens",
  layer: (index) => `model.layers.${index}`,
  qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  attentionOut: "self_attn.o_proj",
  gateUp: "mlp.gate_up_proj",
  down: "mlp.down_proj",
  finalNorm: "model.norm",
  head: "lm_head",
};

const architecture = (names: Names): Architecture => ({
  positions: ["positions"],
  prefixLM: false,
  embedding: names.embedding,
  head: names.head,
  parameters: (config) => parameters(names, config),
  modules: (config) => layerModules(parameters(names, config)),
  placement: (ids) => ({ positions: [[...ids.keys()]], prefixLength: 0 }),
  forward: (context, config, inputs, attention) => forward(names, context, config, inputs, attention),
});

export const glm: Architecture = architecture(published);
export const glmOfTransformers: Architecture = architecture(transformers);

function forward(
  names: Names,
  context: ParameterBinder,
  config: ChatGLMConfig,
  inputs: ModelInputs,
  attention: Attention,
): ModelOutputs {
  const weightOf = (name: string) => context.parameter(`${name}.weight`);
  const norm = (x: Value, name: string) => rmsNorm(x, weightOf(name), config.epsilon);
  const addNorm = (x: Value, y: Value, name: string) => addRmsNorm(x, y, weightOf(name), config.epsilon);
  const inputNorm = (layer: number): string =>
    layer < config.layers ? `${names.layer(layer)}.input_layernorm` : names.finalNorm;
  const hidden: Value[] = [];
  let x = reshape(context.embed(inputs.ids, names.embedding), ["tokens", config.hidden]);
  let normed = norm(x, inputNorm(0));
  for (let layer = 0; layer < config.layers; layer += 1) {
    hidden.push(x);
    const name = names.layer(layer);
    const mixed = mixedTokens(layer, names, context, config, inputs, attention, normed);
    const attended = context.linear(reshape(mixed, ["tokens", widths(config).q]), `${name}.${names.attentionOut}`);
    const postNorm = `${name}.post_attention_layernorm`;
    if (layer === config.layers - 1 && inputs.select) {
      // Past the last attention tokens no longer meet, so those whose logits nobody asked for end here.
      x = gather(add(x, attended), inputs.select);
      normed = norm(x, postNorm);
    } else ({ sum: x, normed } = addNorm(x, attended, postNorm));
    const gateUp = context.linear(normed, `${name}.${names.gateUp}`);
    const [gate, up] = split(gateUp, [config.ffn, config.ffn], -1) as [Value, Value];
    const mlp = context.linear(mul(silu(gate), up), `${name}.${names.down}`);
    ({ sum: x, normed } = addNorm(x, mlp, inputNorm(layer + 1)));
  }
  return { logits: context.linear(normed, names.head), hidden: [...hidden, x] };
}

/** A layer's attention: x [tokens, hidden] -> [batch, seq, heads·size]. */
function mixedTokens(
  layer: number,
  names: Names,
  context: ParameterBinder,
  config: ChatGLMConfig,
  inputs: ModelInputs,
  attention: Attention,
  x: Value,
): Value {
  const { q: width, kv } = widths(config);
  const sizes = names.qkv.length === 1 ? [width + 2 * kv] : [width, kv, kv];
  const projected = names.qkv.map((module, i) =>
    reshape(context.linear(x, `${names.layer(layer)}.${module}`, { bias: true }), ["batch", "seq", sizes[i] as number]),
  );
  if (attention.attendRotating) return attention.attendRotating(layer, projected, inputs);
  const parts = projected.length === 1 ? split(projected[0] as Value, [width, kv, kv], -1) : projected;
  const [q, k, v] = parts as [Value, Value, Value];
  return attention.attend(
    layer,
    rotated(q, config.heads, config, inputs),
    rotated(k, config.groups, config, inputs),
    v,
  );
}

/** Elements of a token's queries, and of its keys or values. */
const widths = ({ heads, groups, headSize }: ChatGLMConfig) => ({ q: heads * headSize, kv: groups * headSize });

/** The first half of each head is rotated, pairs of neighbours; the rest carries no position. */
function rotated(x: Value, heads: number, { headSize }: ChatGLMConfig, { positions, cos, sin }: ModelInputs): Value {
  return rotary(x, {
    positions: positions[0] as Value,
    cos,
    sin,
    heads,
    rotated: headSize / 2,
    interleaved: true,
  });
}

function parameters(names: Names, config: ChatGLMConfig): ParameterSpec[] {
  const { layers, hidden, ffn, vocabulary } = config;
  const { q, kv } = widths(config);
  const rows = names.qkv.length === 1 ? [q + 2 * kv] : [q, kv, kv];
  const layer = (index: number): ParameterSpec[] => {
    const name = names.layer(index);
    return [
      { name: `${name}.input_layernorm.weight`, shape: [hidden] },
      ...names.qkv.flatMap((module, i) => [
        { name: `${name}.${module}.weight`, shape: [rows[i] as number, hidden] },
        { name: `${name}.${module}.bias`, shape: [rows[i] as number] },
      ]),
      { name: `${name}.${names.attentionOut}.weight`, shape: [hidden, q] },
      { name: `${name}.post_attention_layernorm.weight`, shape: [hidden] },
      { name: `${name}.${names.gateUp}.weight`, shape: [2 * ffn, hidden] },
      { name: `${name}.${names.down}.weight`, shape: [hidden, ffn] },
    ];
  };
  return [
    { name: `${names.embedding}.weight`, shape: [vocabulary, hidden] },
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    { name: `${names.finalNorm}.weight`, shape: [hidden] },
    { name: `${names.head}.weight`, shape: [vocabulary, hidden] },
  ];
}
