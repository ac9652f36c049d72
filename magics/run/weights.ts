/** @file How a model's weights are counted, and what of them trains, where they are in fewer bits. */
import type { AdapterHandle, ChatGLM } from "../../src/index.ts";
import { parameterCount } from "../../src/models/architectures.ts";
import { grouped } from "../render/text.ts";

/** What a list of parameters must say of packed weights; nothing of others. */
export function countingNote({ info }: ChatGLM): string {
  if (info.quantize === "none") return "";
  return ` (${info.quantize} weights are counted as they are stored: packed bytes, and scales)`;
}

/** What must be said of an adapter that trains the model's own parameters, where some of them cannot train. */
export function trainingNote(model: ChatGLM, adapter: AdapterHandle): string {
  const { quantize } = model.info;
  const names = new Set(model.info.parameters.map(({ name }) => name));
  if (quantize === "none" || !adapter.parameters().some(({ name }) => names.has(name))) return "";
  const [some, all] = [grouped(adapter.summary().trainable), grouped(parameterCount(model.config))];
  return `Of a model in ${quantize} only floats train (norms, embeddings): here ${some} of its ${all} parameters.\n`;
}
