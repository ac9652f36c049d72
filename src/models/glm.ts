/**
 * @file The ChatGLM2 / ChatGLM3 transformer, once: the same function makes the graph for prefill, decoding and training.
 *
 *   ids -> embedding -> [ x + attention(norm x) -> x + mlp(norm x) ] x layers -> norm -> head -> logits
 *
 * Source: the published modelling code of THUDM/chatglm2-6b and chatglm3-6b. Names are those of the checkpoints.
 */
import { rmsNorm, rotary, silu } from "../graph/layers.ts";
import { add, gather, mul, reshape, split } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { AttentionKind } from "./attention.ts";
import type { ChatGLMConfig } from "./config.ts";
import type { ModelContext, ModuleSpec, ParameterSpec } from "./context.ts";

export interface GlmInputs {
  /** int64 [batch, seq]. */
  readonly ids: Value;
  /** int64 [batch, seq]. */
  readonly positions: Value;
  /** float32 [positions, headSize / 4]: see `rotaryTables`. */
  readonly cos: Value;
  readonly sin: Value;
  /** int64 [chosen]: the tokens (of all rows, one after the other) whose logits are wanted; all when absent. */
  readonly select?: Value;
}

export interface GlmOutputs {
  /** [chosen, vocabulary]. */
  readonly logits: Value;
  /** [tokens, hidden]: the input of each layer, then that of the final norm. The last may hold chosen tokens only. */
  readonly hidden: readonly Value[];
}

const ENCODER = "transformer.encoder";
const EMBEDDING = "transformer.embedding.word_embeddings.weight";
const FINAL_NORM = `${ENCODER}.final_layernorm.weight`;
const HEAD = "transformer.output_layer";

export function glm(
  context: ModelContext,
  config: ChatGLMConfig,
  inputs: GlmInputs,
  attend: AttentionKind,
): GlmOutputs {
  const norm = (x: Value, name: string) => rmsNorm(x, context.parameter(`${name}.weight`), config.epsilon);
  const hidden: Value[] = [];
  let x = reshape(gather(context.parameter(EMBEDDING), inputs.ids), ["tokens", config.hidden]);
  for (let layer = 0; layer < config.layers; layer += 1) {
    hidden.push(x);
    const name = `${ENCODER}.layers.${layer}`;
    x = add(x, attention(context, config, norm(x, `${name}.input_layernorm`), inputs, layer, attend));
    // Past the last attention tokens no longer meet, so those whose logits nobody asked for end here.
    if (layer === config.layers - 1 && inputs.select) x = gather(x, inputs.select);
    x = add(x, mlp(context, config, norm(x, `${name}.post_attention_layernorm`), `${name}.mlp`));
  }
  const last = norm(x, `${ENCODER}.final_layernorm`);
  return { logits: context.linear(last, HEAD), hidden: [...hidden, x] };
}

function attention(
  context: ModelContext,
  config: ChatGLMConfig,
  x: Value,
  { positions, cos, sin }: GlmInputs,
  layer: number,
  attend: AttentionKind,
): Value {
  const { heads, groups, headSize } = config;
  const name = `${ENCODER}.layers.${layer}.self_attention`;
  const sizes = [heads * headSize, groups * headSize, groups * headSize];
  const qkv = split(context.linear(x, `${name}.query_key_value`, { bias: true }), sizes, -1);
  const [q, k, v] = qkv.map((part, i) => reshape(part, ["batch", "seq", sizes[i] as number])) as [Value, Value, Value];
  const rotate = (part: Value, count: number) =>
    rotary(part, { positions, cos, sin, heads: count, rotated: headSize / 2 });
  const mixed = attend(layer, rotate(q, heads), rotate(k, groups), v);
  return context.linear(reshape(mixed, ["tokens", heads * headSize]), `${name}.dense`);
}

function mlp(context: ModelContext, { ffn }: ChatGLMConfig, x: Value, name: string): Value {
  const [gate, up] = split(context.linear(x, `${name}.dense_h_to_4h`), [ffn, ffn], -1) as [Value, Value];
  return context.linear(mul(silu(gate), up), `${name}.dense_4h_to_h`);
}

/** Every tensor of the checkpoint that the model uses. */
export function glmParameters(config: ChatGLMConfig): ParameterSpec[] {
  const { layers, hidden, ffn, heads, groups, headSize, vocabulary } = config;
  const qkv = (heads + 2 * groups) * headSize;
  const layer = (index: number): ParameterSpec[] => {
    const name = `${ENCODER}.layers.${index}`;
    return [
      { name: `${name}.input_layernorm.weight`, shape: [hidden] },
      {
        name: `${name}.self_attention.query_key_value.weight`,
        shape: [qkv, hidden],
      },
      { name: `${name}.self_attention.query_key_value.bias`, shape: [qkv] },
      {
        name: `${name}.self_attention.dense.weight`,
        shape: [hidden, heads * headSize],
      },
      { name: `${name}.post_attention_layernorm.weight`, shape: [hidden] },
      { name: `${name}.mlp.dense_h_to_4h.weight`, shape: [2 * ffn, hidden] },
      { name: `${name}.mlp.dense_4h_to_h.weight`, shape: [hidden, ffn] },
    ];
  };
  return [
    { name: EMBEDDING, shape: [vocabulary, hidden] },
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    { name: FINAL_NORM, shape: [hidden] },
    { name: `${HEAD}.weight`, shape: [vocabulary, hidden] },
  ];
}

/** The linear modules that adapters may target. */
export function glmModules(config: ChatGLMConfig): ModuleSpec[] {
  return glmParameters(config).flatMap(({ name, shape: [out, width] }) =>
    name.startsWith(`${ENCODER}.layers.`) && width !== undefined
      ? [
          {
            name: name.slice(0, -".weight".length),
            in: width,
            out: out as number,
          },
        ]
      : [],
  );
}
