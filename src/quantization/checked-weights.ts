/**
 * @file Whether weights that are used as they lie in the checkpoint are numbers. What is converted or quantised is looked at
 * on the way; these are only mapped, so they are read for it: once, and again when their files have changed.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readBytesInto, withFile } from "../file-bytes.ts";
import { makeFolder } from "../files.ts";
import type { OnProgress } from "../progress.ts";
import { elementSize, type Tensor } from "../tensor.ts";
import { mustBeFinite } from "../weights/finite.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { Plan } from "./plan.ts";
import { MARK, markUsed } from "./prepared-cache.ts";

/**
 * @param folder of the cache for this checkpoint's marks, each a folder with the time of its last use
 * @throws GlmError "model-invalid" with the tensor's name
 */
export async function checkWeights(
  { asStored }: Pick<Plan, "asStored">,
  folder: string,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<void> {
  if (asStored.length === 0) return;
  const mark = join(folder, await stateOf(asStored));
  const known = await stat(join(mark, MARK)).catch(() => undefined);
  if (!known) await readAll(asStored, onProgress, signal);
  // Without a place for marks, everything is only slower.
  await makeFolder(mark).catch(() => undefined);
  await markUsed(mark);
}

/** Bytes that are looked at while the next ones are read, into memory that is used again. */
const PIECE = 2 ** 22;

interface Piece {
  readonly tensor: StoredTensor;
  /** Where it begins in the tensor. */
  readonly at: number;
  readonly bytes: number;
}

async function readAll(tensors: readonly StoredTensor[], onProgress: OnProgress, signal?: AbortSignal): Promise<void> {
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const file of new Set(tensors.map((tensor) => tensor.file))) {
    const pieces = tensors.filter((tensor) => tensor.file === file).flatMap(piecesOf);
    await withFile(file, "a file of weights", async (handle) => {
      const buffers = [new ArrayBuffer(PIECE), new ArrayBuffer(PIECE)] as const;
      const read = async (i: number): Promise<Tensor | undefined> => {
        const piece = pieces[i];
        if (!piece) return undefined;
        const content = new Uint8Array(buffers[i % 2] as ArrayBuffer, 0, piece.bytes);
        await readBytesInto(content, handle, file, piece.tensor.offset + piece.at);
        return numbersOf(piece, content.buffer);
      };
      let next = read(0);
      for (const [i, { tensor, at, bytes }] of pieces.entries()) {
        const values = (await next) as Tensor;
        next = read(i + 1);
        // Whoever stops here stops what is being read as well: its failure is nobody's.
        next.catch(() => undefined);
        signal?.throwIfAborted();
        mustBeFinite(tensor, values, at / elementSize[tensor.dtype]);
        done += bytes;
        onProgress("checking weights (once)", done, total, "bytes");
      }
    });
  }
}

function piecesOf(tensor: StoredTensor): Piece[] {
  return Array.from({ length: Math.ceil(tensor.bytes / PIECE) }, (_, i) => {
    const at = i * PIECE;
    return { tensor, at, bytes: Math.min(PIECE, tensor.bytes - at) };
  });
}

function numbersOf({ tensor: { dtype }, bytes }: Piece, buffer: ArrayBuffer): Tensor {
  const count = bytes / elementSize[dtype];
  const data = dtype === "float32" ? new Float32Array(buffer, 0, count) : new Uint16Array(buffer, 0, count);
  return { dtype, shape: [count], data };
}

/** Names the tensors, and their files as they are now. */
async function stateOf(tensors: readonly StoredTensor[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of new Set(tensors.map((tensor) => tensor.file))) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    hash.update([dev, ino, size, mtimeNs, ctimeNs].join());
  }
  for (const { name, offset, bytes } of tensors) hash.update(JSON.stringify([name, offset, bytes]));
  return hash.digest("hex").slice(0, 16);
}
