/** @file Tensors in safetensors files: one is read at a time, many are written as a stream. */
import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { readBytes, withFile } from "../file-bytes.ts";
import { type FileToWrite, replaceFiles } from "../files.ts";
import { type DType, elementSize, sizeOf, type Tensor, tensorIn } from "../tensor.ts";
import { type Header, readHeader, safetensors, type TensorLayout, writeHeader } from "./header.ts";
import type { StoredTensor } from "./stored.ts";

/** A tensor to be written: its values are asked for when their turn comes, so that only one is in memory at a time. */
export interface TensorSource extends TensorLayout {
  read(): Tensor | Promise<Tensor>;
}

/** Named tensors in memory as sources. */
export function sourcesOf(tensors: Readonly<Record<string, Tensor>>): TensorSource[] {
  return Object.entries(tensors).map(([name, value]) => ({
    name,
    dtype: value.dtype,
    shape: value.shape,
    read: () => value,
  }));
}

/** Reads one tensor of a file of any format, in its own type, into memory of its own. */
export async function readTensor(stored: StoredTensor): Promise<Tensor> {
  return withFile(stored.file, "a file of weights", (handle) => readFrom(handle, stored));
}

/** Reads all tensors of one file, for files that are small. */
export async function readSafetensors(file: string): Promise<Header & { readonly values: Record<string, Tensor> }> {
  const header = await readHeader(file);
  const values: [name: string, value: Tensor][] = [];
  await withFile(file, safetensors, async (handle) => {
    for (const stored of header.tensors) values.push([stored.name, await readFrom(handle, stored)]);
  });
  // Not by assignment: a tensor may be called __proto__.
  return { ...header, values: Object.fromEntries(values) };
}

async function readFrom(handle: FileHandle, stored: StoredTensor): Promise<Tensor> {
  const { buffer } = await readBytes(handle, stored.file, stored.offset, stored.bytes);
  return tensorIn(buffer, stored.dtype, stored.shape);
}

/**
 * Writes one file, whole or not at all; on demand for its owner's eyes only.
 * @throws GlmError "disk" when it cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
  { isPrivate = false }: Pick<FileToWrite, "isPrivate"> = {},
): Promise<void> {
  await replaceFiles(dirname(path), [{ ...safetensorsFile(basename(path), tensors, metadata), isPrivate }]);
}

/** The bytes of a tensor in memory or in a file. */
export function bytesOf(layout: { readonly dtype: DType; readonly shape: readonly number[] }): number {
  return sizeOf(layout.shape) * elementSize[layout.dtype];
}

/** A safetensors file that is yet to be written. */
export function safetensorsFile(
  name: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): FileToWrite {
  // Larger elements first: each tensor is then aligned to its own element size.
  const inOrder = [...tensors].sort((a, b) => elementSize[b.dtype] - elementSize[a.dtype]);
  const header = writeHeader(inOrder, metadata);
  async function* content(): AsyncGenerator<Uint8Array> {
    yield header;
    for (const source of inOrder) {
      const { data, dtype, shape } = await source.read();
      if (dtype !== source.dtype || data.byteLength !== bytesOf(source)) {
        throw new Error(
          `tensor ${source.name} was announced as ${source.dtype} [${source.shape}], but is ${dtype} [${shape}]`,
        );
      }
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  }
  return { name, bytes: header.length + inOrder.reduce((sum, source) => sum + bytesOf(source), 0), content: content() };
}
