/**
 * @file One weight in the form that kernels compute with, in a file of its own: codes, scales, and what a kernel made of
 * them. A safetensors file, so that its header says whether it is whole, with checksums that say whether it is sound.
 */
import type { PackedForm } from "../backend/device.ts";
import { GlmError } from "../errors.ts";
import { pieces } from "../file-bytes.ts";
import { type GrowingFile, growFile } from "../files.ts";
import type { FileRange, Packed } from "../graph/value.ts";
import { readHeader, type TensorLayout, writeHeader } from "../weights/header.ts";
import { bytesOf } from "../weights/safetensors.ts";
import { rangeOf, type StoredTensor } from "../weights/stored.ts";
import { isSound, sealed } from "./seal.ts";

/** Data starts here, and packed parts at a multiple of it: as in onnxruntime's own files, at the start of a page. */
const PAGE = 4096;

const SCALES = "scales";
const CODES = "codes";
const partName = (packed: number, part: number): string => `packed.${packed}.${part}`;
const keyName = (packed: number): string => `packed.${packed}`;

export interface PreparedWeight {
  readonly codes: StoredTensor;
  readonly scales: StoredTensor;
  readonly packed: readonly Packed[];
}

/**
 * @param checked bytes of it that are held against their checksums
 * @returns undefined when there is no such file, or not a whole and sound one
 */
export async function readPrepared(file: string, checked: number): Promise<PreparedWeight | undefined> {
  const header = await readHeader(file).catch((error: unknown) => {
    if (error instanceof GlmError) return undefined;
    throw error;
  });
  if (!header || !(await isSound(file, header, checked))) return undefined;
  const byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const [codes, scales] = [byName.get(CODES), byName.get(SCALES)];
  if (!codes || !scales) return undefined;
  const packed: Packed[] = [];
  for (let i = 0; keyName(i) in header.metadata; i += 1) {
    const parts: StoredTensor[] = [];
    for (let part = byName.get(partName(i, 0)); part; part = byName.get(partName(i, parts.length))) parts.push(part);
    packed.push({ key: header.metadata[keyName(i)] as string, parts });
  }
  return { codes, scales, packed };
}

/** How a weight is prepared: its form, its numbers piece by piece, and what a kernel makes of them. */
export interface Preparation {
  readonly codes: Pick<TensorLayout, "dtype" | "shape">;
  readonly scales: Pick<TensorLayout, "shape">;
  /** About how large the file will be. */
  readonly bytes: number;
  /** Writes the codes in order, and returns the scales. */
  write(append: (codes: Uint8Array) => Promise<void>): Promise<Float32Array>;
  /** Packs what was written, and hands over the packed forms, which may be gone once `use` has ended. */
  pack?(codes: FileRange, scales: FileRange, use: (packed: readonly PackedForm[]) => Promise<void>): Promise<void>;
}

/** @throws GlmError "disk" when the file cannot be written */
export async function writePrepared(file: string, preparation: Preparation): Promise<void> {
  const codes = { name: CODES, ...preparation.codes };
  const scales = { name: SCALES, dtype: "float32" as const, shape: preparation.scales.shape };
  const layouts: TensorLayout[] = [scales, codes];
  const metadata: Record<string, string> = {};
  await growFile(file, preparation.bytes, async (growing) => {
    // The header can only be written when all sizes are known, and scales when all codes are.
    await growing.append(new Uint8Array(PAGE));
    const [scalesAt, scaleBytes] = [growing.length, bytesOf(scales)];
    await growing.append(new Uint8Array(scaleBytes));
    const codesAt = growing.length;
    const values = await preparation.write((piece) => growing.append(piece));
    await growing.overwrite(scalesAt, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const written = growing.length - codesAt;
    if (written !== bytesOf(codes) || values.byteLength !== scaleBytes) {
      throw new Error(
        `${file}: announced ${bytesOf(codes)} bytes of codes and ${scaleBytes} of scales, got ${written} and ${values.byteLength}`,
      );
    }
    const range = (offset: number, bytes: number): FileRange => ({ file: growing.path, offset, bytes });
    await preparation.pack?.(range(codesAt, written), range(scalesAt, scaleBytes), async (packed) => {
      for (const [i, { key, parts }] of packed.entries()) {
        metadata[keyName(i)] = key;
        for (const [j, part] of parts.entries()) {
          layouts.push(...(await pad(growing, layouts.length)));
          const from = growing.length;
          for await (const piece of pieces(part.file, part.offset, part.bytes)) await growing.append(piece);
          layouts.push({ name: partName(i, j), dtype: "uint8", shape: [growing.length - from] });
        }
      }
    });
    const header = writeHeader(layouts, await sealed(growing.path, layouts, metadata, PAGE, growing.length), PAGE);
    if (header.length > PAGE)
      throw new Error(`${file}: its header needs ${header.length} bytes, ${PAGE} were kept for it`);
    await growing.overwrite(0, header);
  });
}

/** Fills the file up to the next page; the format allows no gaps, so the filling is a tensor, too. */
async function pad(growing: GrowingFile, index: number): Promise<TensorLayout[]> {
  const missing = Math.ceil(growing.length / PAGE) * PAGE - growing.length;
  if (missing === 0) return [];
  await growing.append(new Uint8Array(missing));
  return [{ name: `padding.${index}`, dtype: "uint8", shape: [missing] }];
}

/** The codes as graphs bind them; with `packed`, kernels find their own form beside them. */
export function codesRange({ codes, packed }: PreparedWeight): FileRange {
  return { ...rangeOf(codes), packed };
}
