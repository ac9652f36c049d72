/**
 * @file Settings of a config.json that no reader asks for: harmless by one of these rules, or refused.
 *
 * A setting that is off changes nothing. Of those that are on, a few kinds say nothing about what the model computes; any
 * other may be what makes it another model, which would answer wrongly without a word.
 */
import type { Json } from "./fields.ts";

interface Rule {
  readonly why: string;
  readonly keys: RegExp;
}

const words = (list: string): RegExp => new RegExp(`^(${list.trim().split(/\s+/).join("|")})$`);

const harmless: readonly Rule[] = [
  {
    why: "where a file comes from, and which Python code reads it",
    keys: words(`_.* architectures auto_map custom_pipelines name_or_path model_type tokenizer_class transformers_version
      torch_dtype dtype finetuning_task task_specific_params problem_type id2label label2id num_labels unsloth_.*
      glmlab_family`),
  },
  {
    why: "how Python computes the same numbers, or returns them",
    keys: words(`use_cache attn_implementation attention_softmax_in_fp32 fp32_residual_connection bias_dropout_fusion
      apply_query_key_layer_scaling gradient_checkpointing chunk_size_feed_forward pretraining_tp torchscript use_bfloat16
      tf_legacy_loss return_dict.* output_.* use_return_dict`),
  },
  { why: "how it was trained", keys: words("\\w*dropout\\w* initializer_range initializer_factor init_method_std") },
  { why: "tokens, which the tokenizer has", keys: words("\\w+_token_ids? \\w+_token prefix bad_words_ids") },
  {
    why: "how answers are drawn, which generation_config.json says",
    keys: words(`do_sample temperature top_k top_p typical_p max_length min_length max_new_tokens early_stopping num_beams
      num_beam_groups diversity_penalty repetition_penalty length_penalty no_repeat_ngram_size
      encoder_no_repeat_ngram_size num_return_sequences remove_invalid_values exponential_decay_length_penalty
      suppress_tokens begin_suppress_tokens`),
  },
  { why: "a prefix, which is an adapter on the model", keys: words("pre_seq_len prefix_projection") },
  { why: "what the tensors show: a head that is not tied has numbers of its own", keys: words("tie_word_embeddings") },
  { why: "what num_layers and the table's own size say", keys: words("num_hidden_layers vocab_size") },
];

/** The settings that are on, that nobody asked for, and that no rule calls harmless. */
export function strangeSettings(json: Json, asked: ReadonlySet<string>): string[] {
  return Object.keys(json).filter(
    (key) => !asked.has(key) && isOn(json[key]) && !harmless.some(({ keys }) => keys.test(key)),
  );
}

function isOn(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}
