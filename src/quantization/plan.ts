/** @file In which form each parameter of a model is held: decided from what the checkpoint has and what was asked for. */
import type { Capabilities } from "../backend/device.ts";
import { GlmError } from "../errors.ts";
import type { ModuleSpec, ParameterSpec } from "../models/context.ts";
import { type DType, sizeOf } from "../tensor.ts";
import { type PublishedBits, scaleName } from "../weights/model-tensors.ts";
import { bytesOf } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { Form } from "./form.ts";
import { groupWise } from "./group-wise.ts";
import type { StoredMatrix } from "./matrix.ts";
import { perChannel } from "./per-channel.ts";

/** What `load` was asked for. */
export interface Wanted {
  readonly quantize: "none" | "int8" | "int4";
  readonly precision: "exact" | "fast";
}

/** Floats of a checkpoint in the type in which they are held. */
export interface ConvertedTensor {
  readonly stored: StoredTensor;
  readonly dtype: "float32" | "float16";
}

/** What there is. */
export interface CheckpointContent {
  readonly parameters: readonly ParameterSpec[];
  /** The linear modules that quantisation packs. */
  readonly modules: readonly ModuleSpec[];
  readonly embedding: string;
  readonly head: string;
  /** Parameters and scales as they lie in the checkpoint. */
  readonly stored: ReadonlyMap<string, StoredTensor>;
  /** The checkpoint's own quantisation. */
  readonly bits?: PublishedBits | undefined;
}

export interface Plan {
  /** What tells this plan's files from others': "float32", "float16", "int8-exact", "int4-fast" and so on. */
  readonly name: string;
  /** Counted up when the same plan is prepared to other numbers: files of an earlier version are then no longer found. */
  readonly version: number;
  /** Tells files that are uploaded from those that are mapped, where loaded models still have others of the same name. */
  readonly use: "mapped" | "uploaded";
  /** Whether kernels pack weights: the files are then for one kind of processor and one version of onnxruntime. */
  readonly packs: boolean;
  readonly bits?: PublishedBits;
  /** Used as they lie in the checkpoint. */
  readonly asStored: readonly StoredTensor[];
  /** Floats to be made others. */
  readonly converted: readonly ConvertedTensor[];
  readonly matrices: ReadonlyMap<string, { readonly matrix: StoredMatrix; readonly form: Form }>;
}

/** @throws GlmError "option-invalid" when what was asked for does not go with the checkpoint */
export function planWeights(subject: string, given: CheckpointContent, wanted: Wanted, can: Capabilities): Plan {
  const bits = bitsOf(subject, given.bits, wanted, can);
  const exact = wanted.precision === "exact";
  const form = bits && formOf(bits, exact, can);
  const matrices = new Map<string, { matrix: StoredMatrix; form: Form }>();
  if (form) {
    for (const module of given.modules) {
      const name = `${module.name}.weight`;
      matrices.set(name, { matrix: matrixOf(name, module, given), form });
    }
  }
  const [embedding, head] = [`${given.embedding}.weight`, `${given.head}.weight`];
  if (form?.head) {
    const [out, width] = storedOf(head, given).shape as [number, number];
    const matrix = matrixOf(head, { name: given.head, in: width, out }, given);
    matrices.set(head, { matrix, form: form.head });
  }
  const multiplied = (name: string) => name !== embedding || (embedding === head && !matrices.has(head));
  const halves = form || exact ? new Set<string>() : ofLinearModules(given);
  const asStored: StoredTensor[] = [];
  const converted: ConvertedTensor[] = [];
  for (const { name } of given.parameters) {
    if (matrices.has(name) && name !== embedding) continue;
    const stored = storedOf(name, given);
    const dtype = halves.has(name) ? "float16" : "float32";
    // Rows that are looked up become float32 then.
    const isTaken = can.mapsFiles || (can.float16 && stored.dtype === "float16");
    const usable = stored.dtype === dtype || (isTaken && !multiplied(name));
    const aligned = stored.offset % (stored.bytes / sizeOf(stored.shape)) === 0;
    if (usable && aligned) asStored.push(stored);
    else converted.push({ stored, dtype });
  }
  return {
    name: form?.name ?? (exact ? "float32" : "float16"),
    version: form?.version(given.bits !== undefined) ?? 1,
    use: can.mapsFiles ? "mapped" : "uploaded",
    packs: form?.isPacked ?? false,
    ...(bits ? { bits } : {}),
    asStored,
    converted,
    matrices,
  };
}

/** What products are computed with: weights and biases of the linear modules, and the table that is looked up. */
const ofLinearModules = ({ modules, embedding, head }: CheckpointContent): Set<string> =>
  new Set(
    [...modules.map(({ name }) => name), embedding, head].flatMap((module) => [`${module}.weight`, `${module}.bias`]),
  );

function formOf(bits: PublishedBits, exact: boolean, can: Capabilities): Form {
  if (bits === 8 && can.graph.byteArithmetic) return perChannel(exact);
  // Beside 4-bit modules the head's 8 bits cost no precision; beside 8-bit ones they would, and save little.
  const head = bits === 4 && !exact ? formOf(8, false, can) : undefined;
  return groupWise({ bits, exact, isPacked: can.mapsFiles, head });
}

function bitsOf(
  subject: string,
  published: PublishedBits | undefined,
  wanted: Wanted,
  can: Capabilities,
): PublishedBits | undefined {
  const asked = wanted.quantize === "none" ? undefined : wanted.quantize === "int8" ? 8 : 4;
  if (published && asked && asked !== published) {
    throw new GlmError(
      "option-invalid",
      `${subject}: quantize: the model is published in int${published}, and cannot be made int${asked}: ` +
        `its float weights are gone. Leave quantize out, or load the unquantised model.`,
    );
  }
  const bits = published ?? asked;
  if (!bits && wanted.precision === "fast" && !can.float16) {
    throw new GlmError(
      "option-invalid",
      `${subject}: precision "fast": it is a matter of quantised weights, or of a GPU that has float16. These weights are floats, ` +
        `and this device computes with float32 only. Add quantize: "int8" or "int4", or leave precision out.`,
    );
  }
  return bits;
}

function storedOf(name: string, { stored }: CheckpointContent): StoredTensor {
  const tensor = stored.get(name);
  if (!tensor) throw new Error(`the checkpoint was checked, but has no ${name}`);
  return tensor;
}

function matrixOf(name: string, { in: width, out }: ModuleSpec, given: CheckpointContent): StoredMatrix {
  const weight = storedOf(name, given);
  const scales = given.stored.get(scaleName(name));
  const published = given.bits && scales ? { published: { bits: given.bits, scales } } : {};
  return { in: width, out, weight, ...published };
}

/** A tensor as files have it. */
export interface FiledTensor extends ParameterSpec {
  readonly dtype: DType;
}

/** What is known of a checkpoint's tensors before there are any. */
interface TypedContent extends Pick<CheckpointContent, "parameters" | "modules"> {
  readonly stored: ReadonlyMap<string, Pick<StoredTensor, "dtype">>;
}

/**
 * The model's tensors as a published checkpoint of so many bits has them: codes of the linear modules (two 4-bit ones to
 * an element) and their scales, all else as it is.
 */
export function filedTensors(
  { parameters, modules, stored }: TypedContent,
  bits: PublishedBits | undefined,
): FiledTensor[] {
  const packed = new Set(bits ? modules.map(({ name }) => `${name}.weight`) : []);
  return parameters.flatMap(({ name, shape }): FiledTensor[] => {
    const dtype = stored.get(name)?.dtype ?? "float32";
    if (!bits || !packed.has(name)) return [{ name, shape, dtype }];
    const [out, width] = shape as [number, number];
    return [
      { name, shape: [out, (width * bits) / 8], dtype: "int8" },
      { name: scaleName(name), shape: [out], dtype: "float16" },
    ];
  });
}

/** Bytes of weights that are mapped while the model runs, about. */
export function plannedBytes({ asStored, converted, matrices }: Plan): number {
  const floats = converted.reduce((sum, { stored: { shape }, dtype }) => sum + bytesOf({ dtype, shape }), 0);
  const codes = [...matrices.values()].reduce((sum, { matrix, form }) => sum + form.bytes(matrix.in, matrix.out), 0);
  return asStored.reduce((sum, { bytes }) => sum + bytes, floats + codes);
}
