/** @file The form in which a loaded model's weights are held and computed with, in words. */
import type { ModelInfo } from "./engine.ts";

/** "exact", "float16", "int4, fast", "int8 as published, exact": what tells two forms of one model apart. */
export function modelForm({
  quantize,
  precision,
  config,
}: Pick<ModelInfo, "quantize" | "precision" | "config">): string {
  if (quantize === "none") return precision === "fast" ? "float16" : precision;
  return `${quantize}${config.quantization ? " as published" : ""}, ${precision}`;
}
