/** @file Writes GGUF files (version 3), the format that llama.cpp loads: metadata, then tensors one after the other. */
import type { FileToWrite } from "../../src/files.ts";
import { sizeOf } from "../../src/tensor.ts";

export type GgufValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: Int32Array }
  | { readonly f32s: Float32Array };

/** How elements are stored: float32, blocks of 32 of a row with a float16 scale, or blocks of 256 with several scales. */
export type GgufType = "F32" | "Q4_0" | "Q8_0" | "Q6_K";

/** Numbers that the format gives types, and what they take in memory. */
export const ggufTypes: Readonly<Record<GgufType, { code: number; block: number; blockBytes: number }>> = {
  F32: { code: 0, block: 1, blockBytes: 4 },
  Q4_0: { code: 2, block: 32, blockBytes: 18 },
  Q8_0: { code: 8, block: 32, blockBytes: 34 },
  Q6_K: { code: 14, block: 256, blockBytes: 210 },
};

export interface GgufTensor {
  readonly name: string;
  readonly type: GgufType;
  /** Row-major, the last dimension within a row, as everywhere here. */
  readonly shape: readonly number[];
  /** The tensor's bytes in pieces, asked for when their turn comes. */
  content(): Iterable<Uint8Array>;
}

const VERSION = 3;
/** Bytes that tensors are aligned to unless the metadata says otherwise. */
const ALIGNMENT = 32;
const VALUE_CODE = { u32: 4, i32: 5, f32: 6, text: 8, list: 9 } as const;

export function ggufFile(
  name: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): FileToWrite {
  const head = header(metadata, tensors);
  function* content(): Generator<Uint8Array> {
    yield head;
    for (const tensor of tensors) {
      yield* tensor.content();
      yield new Uint8Array(padded(bytesOf(tensor)) - bytesOf(tensor));
    }
  }
  const bytes = tensors.reduce((sum, tensor) => sum + padded(bytesOf(tensor)), head.length);
  return { name, bytes, content: content() };
}

function header(metadata: Readonly<Record<string, GgufValue>>, tensors: readonly GgufTensor[]): Uint8Array {
  const bytes = new ByteList();
  bytes.raw(new TextEncoder().encode("GGUF"));
  bytes.u32(VERSION);
  bytes.u64(tensors.length);
  bytes.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    bytes.text(key);
    writeValue(bytes, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    bytes.text(tensor.name);
    bytes.u32(tensor.shape.length);
    // The format counts dimensions from the one that varies fastest.
    for (const size of tensor.shape.toReversed()) bytes.u64(size);
    bytes.u32(ggufTypes[tensor.type].code);
    bytes.u64(offset);
    offset += padded(bytesOf(tensor));
  }
  return bytes.aligned();
}

function writeValue(bytes: ByteList, value: GgufValue): void {
  const list = (code: number, length: number): void => {
    bytes.u32(VALUE_CODE.list);
    bytes.u32(code);
    bytes.u64(length);
  };
  if ("u32" in value) {
    bytes.u32(VALUE_CODE.u32);
    bytes.u32(value.u32);
  } else if ("f32" in value) {
    bytes.u32(VALUE_CODE.f32);
    bytes.raw(bytesIn(Float32Array.of(value.f32)));
  } else if ("text" in value) {
    bytes.u32(VALUE_CODE.text);
    bytes.text(value.text);
  } else if ("texts" in value) {
    list(VALUE_CODE.text, value.texts.length);
    for (const text of value.texts) bytes.text(text);
  } else if ("i32s" in value) {
    list(VALUE_CODE.i32, value.i32s.length);
    bytes.raw(bytesIn(value.i32s));
  } else {
    list(VALUE_CODE.f32, value.f32s.length);
    bytes.raw(bytesIn(value.f32s));
  }
}

const bytesIn = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function bytesOf({ name, type, shape }: GgufTensor): number {
  const { block, blockBytes } = ggufTypes[type];
  const width = shape.at(-1) ?? 1;
  if (width % block !== 0) throw new RangeError(`${name}: ${type} takes rows of a multiple of ${block}, got ${width}`);
  return (sizeOf(shape) / block) * blockBytes;
}

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Bytes put together piece by piece, little-endian. */
class ByteList {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    this.raw(bytesIn(Uint32Array.of(value)));
  }

  u64(value: number): void {
    this.raw(bytesIn(BigUint64Array.of(BigInt(value))));
  }

  /** A length and UTF-8. */
  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  /** Everything so far, filled with zeros up to the alignment. */
  aligned(): Uint8Array {
    const all = new Uint8Array(padded(this.#length));
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
