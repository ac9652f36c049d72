/** @file What the published configurations have in common that tests ask about, without the files. */

/** config.json of ChatGLM2-6B and ChatGLM3-6B: their sizes. */
export const publishedGlm = {
  model_type: "chatglm",
  num_layers: 28,
  hidden_size: 4096,
  ffn_hidden_size: 13696,
  kv_channels: 128,
  num_attention_heads: 32,
  multi_query_group_num: 2,
  padded_vocab_size: 65024,
};

/** GLM-4-9B's. */
export const publishedGlm4: Readonly<Record<string, unknown>> = {
  ...publishedGlm,
  num_layers: 40,
  padded_vocab_size: 151552,
};

/** ChatGLM-6B's. */
export const publishedChatglm6b = {
  model_type: "chatglm",
  position_encoding_2d: true,
  num_layers: 28,
  hidden_size: 4096,
  inner_hidden_size: 16384,
  num_attention_heads: 32,
  vocab_size: 130528,
  max_sequence_length: 2048,
  torch_dtype: "float16",
};
