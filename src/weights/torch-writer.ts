/** @file Writes PyTorch's weight files (`pytorch_model.bin`) of float32 tensors: what torch.save makes of a state dict. */
import type { FileToWrite } from "../files.ts";
import type { FloatTensor } from "../tensor.ts";
import { op, pickledDict, rebuiltTensor } from "./pickle-writer.ts";
import { zipChunks, zipSize } from "./zip-writer.ts";

/** The one folder of the archive. */
const ROOT = "archive";

/** A file that torch.load reads, also with `weights_only`, and that is yet to be written. */
export function torchFileOf(name: string, tensors: Readonly<Record<string, FloatTensor>>): FileToWrite {
  const named = Object.entries(tensors);
  const pickle = pickledDict(
    ...named.map(([key, { shape, data }], i) => {
      return [op.text(key), rebuiltTensor({ key: String(i), elements: data.length, shape })] as const;
    }),
  );
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const entries = [
    { name: `${ROOT}/data.pkl`, content: pickle },
    { name: `${ROOT}/byteorder`, content: text("little") },
    ...named.map(([, { data }], i) => ({ name: `${ROOT}/data/${i}`, content: bytesOf(data) })),
    { name: `${ROOT}/version`, content: text("3\n") },
  ];
  return { name, bytes: zipSize(entries), content: zipChunks(entries) };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
