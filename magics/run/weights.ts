/** @file How a model's weights are counted, and what of them trains, where they are in fewer bits. */
import type { AdapterHandle, ChatGLM } from "../../src/index.ts";
import { parametersOf } from "../../src/models/architectures.ts";
import { sizeOf } from "../../src/tensor.ts";
import { grouped } from "../render/text.ts";

/** The model's numbers, however few bits they are held in. */
export function parameterCount({ config }: ChatGLM): number {
  return parametersOf(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** What a list of parameters must say of packed weights; nothing of others. */
export function countingNote({ info }: ChatGLM): string {
  if (info.quantize === "none") return "";
  return ` (${info.quantize} weights are counted as they are stored: packed bytes, and scales)`;
}

/** What must be said of an adapter that trains the model's own parameters, where some of them cannot train. */
export function trainingNote(model: ChatGLM, adapter: AdapterHandle): string {
  const { quantize } = model.info;
  if (quantize === "none" || adapter.config.method !== "full") return "";
  const [some, all] = [grouped(adapter.summary().trainable), grouped(parameterCount(model))];
  return `Of a model in ${quantize} only floats train (norms, embeddings): here ${some} of its ${all} parameters.\n`;
}
