/** @file What is exchanged with PEFT: a line for each kind of adapter and of file. */
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { adaLora, lora, pTuning } from "../../src/index.ts";

/** What is done to a folder that PEFT wrote, before it is read. */
export type Change = "bin" | "bfloat16" | "trim" | "older-names";

export interface Case {
  readonly name: string;
  /** PEFT's configuration. */
  readonly peft: Readonly<Record<string, unknown>>;
  /** Ours of the same adapter: one is made, and read by PEFT. Absent where only the files are of another kind. */
  readonly ours?: AdapterConfig;
  readonly changes?: readonly Change[];
  /** Steps that PEFT trains it. */
  readonly steps?: number;
  /** Deviation of the random numbers that are added to its values. */
  readonly noise?: number;
}

/** Settings of a GLM-4 in transformers' layout. */
export const MODEL = {
  ...{ vocab_size: 160, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 3, head_dim: 16 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256, attention_bias: true },
  ...{ pad_token_id: 0, eos_token_id: [1], rms_norm_eps: 1.5625e-7 },
} as const;

export const IDS: readonly (readonly number[])[] = [
  [5, 17, 99, 42, 7, 150, 3, 88, 23],
  [120, 8, 8, 61, 2, 77, 131, 14, 159],
];

const LORA = { peft_type: "LORA", task_type: "CAUSAL_LM", r: 4, lora_alpha: 16, target_modules: ["q_proj", "v_proj"] };
const targets = ["q_proj", "v_proj"];
const PREFIX = { peft_type: "PREFIX_TUNING", task_type: "CAUSAL_LM", num_virtual_tokens: 6 };
const ADALORA = {
  ...{ peft_type: "ADALORA", task_type: "CAUSAL_LM", target_r: 3, init_r: 6, lora_alpha: 16, total_step: 12 },
  ...{ tinit: 2, tfinal: 3, deltaT: 1, target_modules: ["q_proj", "v_proj", "o_proj"] },
};

export const CASES: readonly Case[] = [
  { name: "lora", peft: LORA, ours: lora({ r: 4, alpha: 16, targets }) },
  {
    name: "lora of every linear module",
    peft: { ...LORA, target_modules: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"] },
    ours: lora({ r: 4, targets: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"] }),
  },
  {
    name: "lora, rank-stabilised",
    peft: { ...LORA, use_rslora: true },
    ours: lora({ r: 4, alpha: 16, targets, rankStabilized: true }),
  },
  {
    name: "lora, ranks and alphas by module",
    peft: { ...LORA, rank_pattern: { "layers.1.self_attn.q_proj": 7 }, alpha_pattern: { v_proj: 5 } },
    ours: lora({
      r: 4,
      alpha: 16,
      targets,
      rankPattern: { q_proj: 2 },
      alphaPattern: { "layers.0.self_attn.v_proj": 9 },
    }),
  },
  { name: "lora, all biases", peft: { ...LORA, bias: "all" }, ours: lora({ r: 4, targets, bias: "all" }) },
  { name: "lora, own biases", peft: { ...LORA, bias: "lora_only" }, ours: lora({ r: 4, targets, bias: "lora_only" }) },
  {
    name: "lora with DoRA",
    peft: { ...LORA, use_dora: true, bias: "lora_only", target_modules: ["q_proj", "down_proj"] },
    ours: lora({ r: 4, alpha: 16, targets: ["q_proj", "down_proj"], dora: true }),
  },
  {
    name: "lora with DoRA, rank-stabilised, in bfloat16",
    peft: { ...LORA, use_dora: true, use_rslora: true },
    changes: ["bfloat16"],
  },
  {
    name: "lora of the embedding and the output layer",
    peft: { ...LORA, target_modules: ["embed_tokens", "lm_head"] },
    ours: lora({ r: 4, alpha: 16, targets: ["embed_tokens", "lm_head", "o_proj"] }),
  },
  {
    name: "lora with DoRA of the embedding and the output layer",
    peft: { ...LORA, use_dora: true, target_modules: ["embed_tokens", "lm_head", "v_proj"] },
    ours: lora({ r: 4, alpha: 16, targets: ["embed_tokens", "lm_head"], dora: true }),
  },
  {
    name: "lora beside modules that train whole",
    peft: { ...LORA, modules_to_save: ["input_layernorm", "lm_head", "layers.1.self_attn.v_proj"] },
    ours: lora({ r: 4, alpha: 16, targets, modulesToSave: ["embed_tokens", "norm", "o_proj"] }),
    noise: 0.1,
  },
  {
    name: "lora of all linear modules",
    peft: { ...LORA, target_modules: "all-linear" },
    ours: lora({ r: 2, targets: "all-linear" }),
  },
  { name: "lora with targets of which one is not there", peft: { ...LORA, target_modules: ["q_proj", "nothing"] } },
  {
    name: "lora that begins from a normal distribution",
    peft: { ...LORA, init_lora_weights: "gaussian" },
    ours: lora({ r: 4, targets: ".*(q|v)_proj", init: "gaussian" }),
  },
  { name: "lora, older names of biases", peft: { ...LORA, bias: "lora_only" }, changes: ["older-names"] },
  { name: "lora in bfloat16", peft: LORA, changes: ["bfloat16"] },
  { name: "lora in a .bin", peft: LORA, changes: ["bin"] },
  { name: "lora in a .bin, in bfloat16", peft: { ...LORA, bias: "all" }, changes: ["bfloat16", "bin"] },
  { name: "lora without what has a default", peft: { ...LORA, r: 8, lora_alpha: 8 }, changes: ["trim"] },
  {
    name: "lora of some layers",
    peft: { ...LORA, layers_to_transform: [0, 2], target_modules: ["q_proj", "down_proj"] },
  },
  { name: "lora by a regular expression", peft: { ...LORA, target_modules: ".*\\.[12]\\.mlp\\..*_proj" } },
  { name: "adalora, new", peft: ADALORA, ours: adaLora({ r: 3, initR: 6, alpha: 16, totalStep: 12, targets }) },
  { name: "adalora, trained", peft: ADALORA, steps: 12 },
  { name: "adalora, trained, in a .bin", peft: ADALORA, steps: 9, changes: ["bin"] },
  { name: "prefix", peft: PREFIX, ours: pTuning({ length: 5 }), noise: 1 },
  {
    name: "prefix with a projection",
    peft: { ...PREFIX, prefix_projection: true, encoder_hidden_size: 48 },
    ours: pTuning({ length: 4, projection: true }),
    noise: 1,
  },
  { name: "prefix in bfloat16", peft: PREFIX, changes: ["bfloat16"], noise: 1 },
  { name: "prefix in a .bin", peft: PREFIX, changes: ["bin"], noise: 1 },
];
