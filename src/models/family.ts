/** @file The generations of ChatGLM, by the names of their published checkpoints. */
import { checkpointNames } from "../published.ts";

export const families = ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const;

/** Decides the architecture, the prompt, the special tokens and the published defaults. */
export type Family = (typeof families)[number];

/** Checkpoints of each generation, as the Hugging Face hub names them. */
export const checkpoints: Readonly<Record<Family, readonly string[]>> = Object.fromEntries(
  families.map((family) => [family, checkpointNames[family].map((name) => `THUDM/${name}`)]),
) as Record<Family, string[]>;
