/**
 * @file What published checkpoints are called and which files they have, once for all who look for them: on hubs, in
 * folders, in what is said about them.
 */

/** The checkpoints of each generation, by their names on hubs without the owner's. */
export const checkpointNames = {
  "chatglm-6b": ["chatglm-6b", "chatglm-6b-int8", "chatglm-6b-int4"],
  "chatglm2-6b": ["chatglm2-6b", "chatglm2-6b-int4"],
  "chatglm3-6b": ["chatglm3-6b", "chatglm3-6b-base", "chatglm3-6b-32k"],
  "glm-4-9b": ["glm-4-9b", "glm-4-9b-chat", "glm-4-9b-hf", "glm-4-9b-chat-hf"],
} as const;

/** One of these holds the tokenizer. */
export const tokenizerFileNames = ["tokenizer.model", "tokenizer.json", "ice_text.model"] as const;

export type TokenizerFile = (typeof tokenizerFileNames)[number];

/**
 * One of these holds the weights or names the files that do. Where there are several, the first one counts, as with
 * transformers: who downloads and who opens a folder must agree.
 */
export const weightFileNames = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
] as const;

export type WeightFile = (typeof weightFileNames)[number];
