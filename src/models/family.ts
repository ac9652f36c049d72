/** @file The generations of ChatGLM, by the names of their published checkpoints. */

export const families = ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const;

/** Decides the architecture, the prompt, the special tokens and the published defaults. */
export type Family = (typeof families)[number];

/** Checkpoints of each generation, as their hubs name them. */
export const checkpoints: Readonly<Record<Family, readonly string[]>> = {
  "chatglm-6b": ["THUDM/chatglm-6b", "THUDM/chatglm-6b-int8", "THUDM/chatglm-6b-int4"],
  "chatglm2-6b": ["THUDM/chatglm2-6b", "THUDM/chatglm2-6b-int4", "THUDM/chatglm2-6b-32k"],
  "chatglm3-6b": ["THUDM/chatglm3-6b", "THUDM/chatglm3-6b-base", "THUDM/chatglm3-6b-32k"],
  "glm-4-9b": ["THUDM/glm-4-9b", "THUDM/glm-4-9b-chat", "THUDM/glm-4-9b-hf", "THUDM/glm-4-9b-chat-hf"],
};
