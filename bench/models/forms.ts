/** @file The forms of weights that are compared: what `load` is told, and llama.cpp's nearest, as its own quantiser makes it. */
import type { LoadOptions } from "../../src/index.ts";
import type { LlamaTypes } from "./llama-file.ts";

export type Form = "int4" | "int8" | "float32";

export const forms: Readonly<Record<Form, { readonly options: LoadOptions; readonly llama: LlamaTypes }>> = {
  int4: { options: { quantize: "int4", precision: "fast" }, llama: { matrices: "Q4_0", head: "Q6_K" } },
  int8: { options: { quantize: "int8", precision: "fast" }, llama: { matrices: "Q8_0", head: "Q8_0" } },
  // For few layers: shows that both compute the same.
  float32: { options: { precision: "exact" }, llama: { matrices: "F32", head: "F32" } },
};
