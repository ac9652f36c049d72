/** @file The forms of weights that are compared: what `load` is told, and llama.cpp's nearest. */
import type { LoadOptions } from "../../src/index.ts";
import type { GgufType } from "./gguf.ts";

export type Form = "int4" | "int8" | "float32";

export const forms: Readonly<Record<Form, { readonly options: LoadOptions; readonly llama: GgufType }>> = {
  int4: { options: { quantize: "int4", precision: "fast" }, llama: "Q4_0" },
  int8: { options: { quantize: "int8", precision: "fast" }, llama: "Q8_0" },
  // For few layers: shows that both compute the same.
  float32: { options: { precision: "exact" }, llama: "F32" },
};
