/** @file A random model's weights in one form, as `load` would hold them on a device, and how many bytes of them are read. */
import type { Capabilities } from "../../src/backend/device.ts";
import { architectureOf, modulesOf, parametersOf } from "../../src/models/architectures.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { type Plan, planWeights, type Wanted } from "../../src/quantization/plan.ts";
import type { FloatWeight, QuantizedMatrix, WeightStore } from "../../src/quantization/weight-store.ts";
import { type DType, elementSize, sizeOf } from "../../src/tensor.ts";
import type { StoredTensor } from "../../src/weights/stored.ts";
import type { Kind, Scratch } from "./scratch.ts";

export type FormName = "int4" | "int4-fast" | "int8" | "int8-fast" | "float16" | "float32";

export const forms: Readonly<Record<FormName, Wanted>> = {
  int4: { quantize: "int4", precision: "exact" },
  "int4-fast": { quantize: "int4", precision: "fast" },
  int8: { quantize: "int8", precision: "exact" },
  "int8-fast": { quantize: "int8", precision: "fast" },
  float16: { quantize: "none", precision: "fast" },
  float32: { quantize: "none", precision: "exact" },
};

/** In which form each parameter of a float32 checkpoint would be held. */
export function planOf(config: ChatGLMConfig, form: FormName, can: Capabilities): Plan {
  const { embedding, head } = architectureOf(config);
  const parameters = parametersOf(config);
  const stored = new Map(
    parameters.map(({ name, shape }): [string, StoredTensor] => [
      name,
      { name, dtype: "float32", shape, file: "", offset: 0, bytes: elementSize.float32 * sizeOf(shape) },
    ]),
  );
  return planWeights(
    "the random model",
    { parameters, modules: modulesOf(config), embedding, head, stored },
    forms[form],
    can,
  );
}

/** Bytes of the largest weight in float32, which no other form exceeds. */
export const largestWeight = (config: ChatGLMConfig): number =>
  Math.max(...parametersOf(config).map(({ shape }) => elementSize.float32 * sizeOf(shape)));

/** Random numbers in the places of a plan's weights. */
export function randomWeights(plan: Plan, scratch: Pick<Scratch, "place">): WeightStore {
  const placed = (name: string, kind: Kind, dtype: DType, shape: readonly number[]): StoredTensor => ({
    ...{ name, dtype, shape },
    ...scratch.place(kind, elementSize[dtype] * sizeOf(shape)),
  });
  const float = ({ name, shape }: StoredTensor, dtype: "float32" | "float16"): [string, FloatWeight] => [
    name,
    { dtype, shape, range: placed(name, dtype === "float16" ? "halves" : "floats", dtype, shape) },
  ];
  const floats = [
    ...plan.asStored.map((stored) => float(stored, "float32")),
    ...plan.converted.map(({ stored, dtype }) => float(stored, dtype)),
  ];
  const matrices = [...plan.matrices].map(([name, { matrix, form }]): [string, QuantizedMatrix] => {
    const { codes, scales } = form.prepare(matrix, () => undefined);
    const prepared = {
      codes: placed(name, "codes", codes.dtype, codes.shape),
      scales: placed(`${name} scales`, "floats", "float32", scales.shape),
      packed: [],
    };
    return [name, { form, in: matrix.in, out: matrix.out, prepared }];
  });
  return { floats: new Map(floats), matrices: new Map(matrices) };
}

/** Bytes of weights that a run over any number of tokens reads: all but the embedding table, of which it reads a row a token. */
export function bytesRead(config: ChatGLMConfig, { floats, matrices }: WeightStore): number {
  const { embedding, head } = architectureOf(config);
  const table = `${embedding}.weight`;
  const isHead = embedding === head && !matrices.has(table);
  let bytes = 0;
  for (const [name, { range }] of floats) if (name !== table || isHead) bytes += range.bytes;
  for (const { prepared } of matrices.values()) bytes += prepared.codes.bytes + prepared.scales.bytes;
  return bytes;
}

/** Floating-point operations of the matrix products with weights when a prompt is read, of whose tokens one has logits. */
export function promptOperations(config: ChatGLMConfig, tokens: number): number {
  const layers = modulesOf(config).reduce((sum, { in: width, out }) => sum + width * out, 0);
  return 2 * (layers * tokens + config.hidden * config.vocabulary);
}
