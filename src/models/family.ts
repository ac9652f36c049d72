/** @file The generations of ChatGLM, by the names of their published checkpoints. */

export const families = ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const;

/** Decides the architecture, the prompt, the special tokens and the published defaults. */
export type Family = (typeof families)[number];
