/** @file The header of a safetensors file: read, checked in full, and written. */

import { describe } from "../describe.ts";
import type { GlmError } from "../errors.ts";
import { readBytes, withFile } from "../file-bytes.ts";
import { type DType, elementSize, sizeOf } from "../tensor.ts";
import { damaged, startFault } from "./faults.ts";
import type { StoredTensor } from "./stored.ts";

export interface Header {
  readonly tensors: readonly StoredTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

const dtypeByCode: ReadonlyMap<string, DType> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);
const codeByDType: ReadonlyMap<DType, string> = new Map([...dtypeByCode].map(([code, dtype]) => [dtype, code]));

/** What such a file is called in messages. */
export const safetensors = "a safetensors file";

/** A header has about 150 bytes for each tensor; parsed, it takes several times its size in memory. */
const maxHeaderBytes = 16 * 2 ** 20;

/**
 * Reads and checks the header of one safetensors file: types, shapes, and that the tensors fill the file without holes
 * or overlaps. No tensor is read.
 * @throws GlmError "model-not-found" without the file, "model-invalid" with every fault found
 */
export async function readHeader(file: string): Promise<Header> {
  return withFile(file, safetensors, async (handle, fileBytes) => {
    const start = await readBytes(handle, file, 0, Math.min(fileBytes, 64));
    const fault = startFault(start);
    if (fault) throw invalid(file, [fault]);
    if (fileBytes < 8) throw invalid(file, [`expected at least 8 bytes, got ${fileBytes}`]);
    const headerBytes = Number(new DataView(start.buffer).getBigUint64(0, true));
    if (headerBytes > maxHeaderBytes) {
      throw invalid(file, [
        `its first 8 bytes give a header of ${headerBytes} bytes, expected at most ${maxHeaderBytes}: this is not a safetensors file`,
      ]);
    }
    if (8 + headerBytes > fileBytes) {
      throw invalid(file, [
        `expected a header of ${headerBytes} bytes, but the whole file has ${fileBytes}: it is truncated`,
      ]);
    }
    return parseHeader(file, await readBytes(handle, file, 8, headerBytes), fileBytes);
  });
}

function parseHeader(file: string, bytes: Uint8Array, fileBytes: number): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(file, [`its header is not JSON (${cause instanceof Error ? cause.message : cause})`]);
  }
  if (!isRecord(json)) throw invalid(file, [`its header is ${describe(json)}, expected an object`]);
  const faults: string[] = [];
  const tensors: StoredTensor[] = [];
  const start = 8 + bytes.length;
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") continue;
    const stored = checkEntry(file, name, entry, start, faults);
    if (stored) tensors.push(stored);
  }
  // One entry that could not be read leaves a hole: the layout is judged only when all could be.
  if (faults.length === 0) checkLayout(tensors, start, fileBytes, faults);
  if (faults.length > 0) throw invalid(file, faults);
  return { tensors, metadata: stringsOf(json.__metadata__) };
}

/** One header entry, or its faults. */
function checkEntry(
  file: string,
  name: string,
  entry: unknown,
  start: number,
  faults: string[],
): StoredTensor | undefined {
  const fault = (text: string): undefined => {
    faults.push(`tensor ${describe(name)}: ${text}`);
  };
  if (!isRecord(entry)) return fault(`expected an object, got ${describe(entry)}`);
  const dtype = dtypeByCode.get(String(entry.dtype));
  if (!dtype)
    return fault(`expected a dtype among ${[...dtypeByCode.keys()].join(", ")}, got ${describe(entry.dtype)}`);
  const shape = countsOf(entry.shape);
  if (!shape) return fault(`expected a shape of non-negative integers, got ${describe(entry.shape)}`);
  const range = countsOf(entry.data_offsets);
  if (range?.length !== 2) return fault(`expected data_offsets [begin, end], got ${describe(entry.data_offsets)}`);
  const [begin, end] = range as [number, number];
  const bytes = sizeOf(shape) * elementSize[dtype];
  if (end - begin !== bytes) {
    return fault(
      `${codeByDType.get(dtype)} ${describe(shape)} takes ${bytes} bytes, but data_offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  }
  return { name, dtype, shape, file, offset: start + begin, bytes };
}

/** Together the tensors must cover the file from the header's end to its own, each byte once. */
function checkLayout(tensors: readonly StoredTensor[], start: number, fileBytes: number, faults: string[]): void {
  const inOrder = [...tensors].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let at = start;
  let last = "the header";
  for (const stored of inOrder) {
    if (stored.offset < at)
      faults.push(`tensor ${describe(stored.name)} overlaps ${last} by ${at - stored.offset} bytes`);
    if (stored.offset > at)
      faults.push(`${stored.offset - at} bytes between ${last} and tensor ${describe(stored.name)} belong to nothing`);
    at = Math.max(at, stored.offset + stored.bytes);
    last = `tensor ${describe(stored.name)}`;
  }
  if (at > fileBytes) faults.push(`expected ${at} bytes, got ${fileBytes}: the file is truncated`);
  if (at < fileBytes)
    faults.push(`expected ${at} bytes, got ${fileBytes}: ${fileBytes - at} bytes after ${last} belong to nothing`);
}

/** A tensor's place in a file that is yet to be written. */
export interface TensorLayout {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * The header for tensors that follow one another in this order. It is padded so that the first tensor starts at a
 * multiple of 64 bytes: mapped files are then aligned for any element type.
 * @param least pads it to as many bytes, for who writes the tensors first
 */
export function writeHeader(
  tensors: readonly TensorLayout[],
  metadata: Readonly<Record<string, string>>,
  least = 0,
): Uint8Array {
  const json: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) json.__metadata__ = metadata;
  let at = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = at + sizeOf(shape) * elementSize[dtype];
    json[name] = { dtype: codeByDType.get(dtype), shape, data_offsets: [at, end] };
    at = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(json));
  const length = Math.max(least, Math.ceil((8 + text.length) / 64) * 64) - 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

function invalid(file: string, faults: readonly string[]): GlmError {
  return damaged(file, safetensors, faults);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an array of non-negative integers, if it is one. */
function countsOf(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
    ? (value as number[])
    : undefined;
}

function stringsOf(metadata: unknown): Record<string, string> {
  if (!isRecord(metadata)) return {};
  return Object.fromEntries(
    Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
