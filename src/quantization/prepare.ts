/** @file The files that hold planned weights in their forms: which are there, and how those that are missing are made. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { growFile } from "../files.ts";
import { toFloat16 } from "../float16.ts";
import { toFloat32 } from "../float32.ts";
import { realPathOf } from "../regular-file.ts";
import type { FloatTensor, Tensor } from "../tensor.ts";
import { readHeader, type TensorLayout, writeHeader } from "../weights/header.ts";
import { bytesOf, readTensor } from "../weights/safetensors.ts";
import { rangeOf, type StoredTensor } from "../weights/stored.ts";
import type { Pack } from "./form.ts";
import { slabs } from "./matrix.ts";
import { type ConvertedTensor, type Plan, plannedBytes } from "./plan.ts";
import { preparation } from "./preparation.ts";
import { readPrepared, writePrepared } from "./prepared-file.ts";
import { isSound, sealed, unsealed } from "./seal.ts";
import type { FloatWeight, QuantizedMatrix, WeightStore } from "./weight-store.ts";

/** Counts work in bytes of the checkpoint. */
export type OnBytes = (done: number, total: number) => void;

/** One file that is not there yet, or not whole. */
export interface MissingFile {
  /** Bytes of the checkpoint that go into it, and that it will have, about. */
  readonly source: number;
  readonly bytes: number;
  /** Whether kernels pack it, by way of another file of that size. */
  readonly packs: boolean;
  make(pack: Pack, onBytes: (bytes: number) => void): Promise<void>;
}

export interface Found {
  readonly missing: readonly MissingFile[];
  /** Absent while anything is missing. */
  readonly weightStore?: WeightStore;
}

const FLOATS = "floats.safetensors";

/**
 * Bytes of all files together that are held against their checksums whenever they are found: a tenth of a second's reading,
 * while a model of more bytes takes seconds to load.
 */
const CHECKED = 2 ** 27;

/**
 * Looks for the plan's files in a folder. Headers are read, and as much as shows whether a file is sound: one that is not, or
 * of another length or layout, counts as missing.
 */
export async function findPrepared(plan: Plan, folder: string): Promise<Found> {
  const missing: MissingFile[] = [];
  const total = plannedBytes(plan);
  const checkedOf = (bytes: number): number =>
    total <= CHECKED ? Number.POSITIVE_INFINITY : (CHECKED * bytes) / total;
  const floats = new Map<string, FloatWeight>();
  for (const tensor of plan.asStored) floats.set(tensor.name, await heldFloats(tensor));
  if (plan.converted.length > 0) {
    const file = join(folder, FLOATS);
    const ready = await readFloats(file, plan.converted, checkedOf(bytesOfAll(layoutsOf(plan.converted))));
    if (!ready) missing.push(missingFloats(file, plan.converted));
    for (const tensor of ready ?? []) floats.set(tensor.name, await heldFloats(tensor));
  }
  const matrices = new Map<string, QuantizedMatrix>();
  for (const [name, { matrix, form }] of plan.matrices) {
    const file = join(folder, `${name}.safetensors`);
    const announced = preparation(matrix, form, noPack, () => undefined);
    const prepared = await readPrepared(file, checkedOf(announced.bytes));
    if (prepared && String(prepared.codes.shape) === String(announced.codes.shape)) {
      matrices.set(name, { form, in: matrix.in, out: matrix.out, prepared });
    } else {
      missing.push({
        source: matrix.weight.bytes,
        bytes: announced.bytes,
        packs: announced.pack !== undefined,
        make: (pack, onBytes) => writePrepared(file, preparation(matrix, form, pack, onBytes)),
      });
    }
  }
  return missing.length > 0 ? { missing } : { missing, weightStore: { floats, matrices } };
}

const noPack: Pack = () => Promise.reject(new Error("nothing is packed while looking for files"));

/** Makes what is missing, one file after the other; each that is complete stays when a later one fails. */
export async function makePrepared(
  missing: readonly MissingFile[],
  pack: Pack,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  const total = missing.reduce((sum, { source }) => sum + source, 0);
  let done = 0;
  const worked = (bytes: number): void => {
    signal?.throwIfAborted();
    done += bytes;
    onBytes(Math.round(done), total);
  };
  for (const file of missing) {
    signal?.throwIfAborted();
    await file.make(pack, worked);
  }
}

/** A parameter's values as the held weights have them, for those who train or merge: float32. */
export async function readParameter({ floats, matrices }: WeightStore, name: string): Promise<FloatTensor> {
  const matrix = matrices.get(name);
  if (matrix) {
    const { in: width, out, form, prepared } = matrix;
    return { dtype: "float32", shape: [out, width], data: await form.read(width, prepared) };
  }
  const held = floats.get(name);
  if (!held) throw new GlmError("model-invalid", `the model holds no parameter ${name}.`);
  return toFloat32(await readTensor({ name, dtype: held.dtype, shape: held.shape, ...held.range }));
}

async function heldFloats(tensor: StoredTensor): Promise<FloatWeight> {
  const { dtype, shape } = tensor;
  if (dtype !== "float32" && dtype !== "float16" && dtype !== "bfloat16") {
    throw new Error(`${tensor.name}: expected floats, got ${dtype}`);
  }
  return { dtype, shape, range: { ...rangeOf(tensor), file: await realPathOf(tensor.file) } };
}

const layoutsOf = (tensors: readonly ConvertedTensor[]): TensorLayout[] =>
  tensors.map(({ stored: { name, shape }, dtype }) => ({ name, dtype, shape }));

const bytesOfAll = (layouts: readonly TensorLayout[]): number =>
  layouts.reduce((sum, layout) => sum + bytesOf(layout), 0);

async function readFloats(
  file: string,
  wanted: readonly ConvertedTensor[],
  checked: number,
): Promise<StoredTensor[] | undefined> {
  const header = await readHeader(file).catch((error: unknown) => {
    if (error instanceof GlmError) return undefined;
    throw error;
  });
  if (!header || !(await isSound(file, header, checked))) return undefined;
  const found = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const fitting = layoutsOf(wanted).flatMap(({ name, dtype, shape }) => {
    const tensor = found.get(name);
    return tensor?.dtype === dtype && String(tensor.shape) === String(shape) ? [tensor] : [];
  });
  return fitting.length === wanted.length ? fitting : undefined;
}

function missingFloats(file: string, tensors: readonly ConvertedTensor[]): MissingFile {
  const layouts = layoutsOf(tensors);
  const content = bytesOfAll(layouts);
  const header = writeHeader(layouts, unsealed(content));
  const bytes = header.length + content;
  return {
    source: tensors.reduce((sum, { stored }) => sum + stored.bytes, 0),
    bytes,
    packs: false,
    make: (_pack, onBytes) =>
      growFile(file, bytes, async (growing) => {
        await growing.append(header);
        for (const { stored, dtype } of tensors) {
          for await (const part of slabs(stored, stored.shape.at(-1) as number)) {
            const { data } = dtype === "float16" ? halves(stored, part) : toFloat32(part);
            await growing.append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
            onBytes(part.data.byteLength);
          }
        }
        const metadata = await sealed(growing.path, layouts, {}, header.length, growing.length);
        await growing.overwrite(0, writeHeader(layouts, metadata, header.length));
      }),
  };
}

/** @throws GlmError "unsupported" for numbers that float16 does not have */
function halves({ file, name }: StoredTensor, part: Tensor): Tensor<"float16"> {
  const made = toFloat16(toFloat32(part));
  if (made.data.every((bits) => (bits & 0x7c00) !== 0x7c00)) return made;
  throw new GlmError(
    "unsupported",
    `${file}: ${name}: expected numbers up to 65504, which float16 has, got larger ones. Load the model with precision "exact".`,
  );
}
