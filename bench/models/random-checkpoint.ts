/**
 * @file Writes a random model's folder as its publishers would: float16, or int8 / int4 with a scale a row.
 *
 * One file a layer, one tensor in memory. A folder that an interrupted run left is completed: whole files stay.
 */
import { copyFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceFiles, textFile } from "../../src/files.ts";
import { sizeOf, type Tensor, tensor } from "../../src/tensor.ts";
import { packageFolder } from "../../src/version.ts";
import { toFloat16 } from "../../src/weights/float16.ts";
import { toFloat32 } from "../../src/weights/float32.ts";
import { readHeader } from "../../src/weights/header.ts";
import { safetensorsFile, type TensorSource } from "../../src/weights/safetensors.ts";
import { configJson, isQuantized, type ModelShape, type PublishedBits, randomTensors } from "./random-model.ts";
import { type RandomTensor, RandomWeights } from "./random-weights.ts";

export interface RandomCheckpointOptions {
  readonly seed: number;
  /** Without: float16. */
  readonly bits?: PublishedBits | undefined;
  /** A folder whose tokenizer files are copied; by default `tiny`'s, as ChatGLM's own cannot be shipped here. */
  readonly tokenizer?: string | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

const tiny = join(packageFolder, "models", "tiny");
const TOKENIZER_FILES = ["tokenizer.model", "tokenizer_config.json"];

/** @returns bytes of all weights */
export async function writeRandomCheckpoint(
  folder: string,
  shape: ModelShape,
  { seed, bits, tokenizer = tiny, onProgress }: RandomCheckpointOptions,
): Promise<number> {
  const weights = new RandomWeights(seed);
  const shards = byLayer(randomTensors(shape));
  const metadata = { format: "pt", seed: String(seed) };
  const weightMap: Record<string, string> = {};
  let total = 0;
  for (const [i, tensors] of shards.entries()) {
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    const sources = tensors.flatMap((what) =>
      bits !== undefined && isQuantized(what) ? quantized(what, weights, bits) : [plain(what, weights)],
    );
    const file = safetensorsFile(name, sources, metadata);
    if (!(await isWhole(join(folder, name), file.bytes, seed))) await replaceFiles(folder, [file]);
    for (const source of sources) weightMap[source.name] = name;
    total += file.bytes;
    onProgress?.(i + 1, shards.length);
  }
  const index = { metadata: { total_size: total }, weight_map: weightMap };
  await replaceFiles(folder, [
    textFile("config.json", `${JSON.stringify(configJson(shape, bits), null, 2)}\n`),
    textFile("model.safetensors.index.json", `${JSON.stringify(index, null, 2)}\n`),
  ]);
  const companions = await readdir(tokenizer);
  for (const name of TOKENIZER_FILES) {
    if (companions.includes(name)) await copyFile(join(tokenizer, name), join(folder, name));
  }
  return total;
}

/** The tensors of a layer together; what is of no layer, alone. */
function byLayer(tensors: readonly RandomTensor[]): RandomTensor[][] {
  const groups = new Map<string, RandomTensor[]>();
  for (const what of tensors) {
    const layer = /\.layers\.\d+\./.exec(what.name)?.[0] ?? what.name;
    groups.set(layer, [...(groups.get(layer) ?? []), what]);
  }
  return [...groups.values()];
}

const number = (n: number): string => String(n).padStart(5, "0");

/** Files appear under their names only when they are complete; this one must also be of the same size and seed. */
async function isWhole(path: string, bytes: number, seed: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === bytes && (await readHeader(path)).metadata.seed === String(seed);
}

function plain(what: RandomTensor, weights: RandomWeights): TensorSource {
  const { name, shape } = what;
  return {
    name,
    dtype: "float16",
    shape,
    read() {
      const data = new Uint16Array(sizeOf(shape));
      weights.halves(what, 0, data);
      return tensor("float16", shape, data);
    },
  };
}

/** The published scheme: weight = code · scale, scale = max |weight| of the row / (2^(bits - 1) - 1). */
function quantized(what: RandomTensor, weights: RandomWeights, bits: PublishedBits): TensorSource[] {
  const { name, shape } = what;
  const [rows, columns] = shape as readonly [number, number];
  const width = (columns * bits) / 8;
  const row = new Float32Array(columns);
  const readRow = (index: number): Float32Array => {
    weights.floats(what, index * columns, row);
    return row;
  };
  const scales = (): Tensor<"float16"> => {
    const largest = Float32Array.from({ length: rows }, (_, index) => largestMagnitude(readRow(index)));
    return toFloat16(
      tensor(
        "float32",
        [rows],
        largest.map((magnitude) => magnitude / (2 ** (bits - 1) - 1)),
      ),
    );
  };
  const codes = (): Tensor<"int8"> => {
    const data = new Int8Array(rows * width);
    for (const [index, scale] of toFloat32(scales()).data.entries()) {
      writeCodes(readRow(index), scale, bits, data.subarray(index * width, (index + 1) * width));
    }
    return tensor("int8", [rows, width], data);
  };
  return [
    { name, dtype: "int8", shape: [rows, width], read: codes },
    { name: `${name}_scale`, dtype: "float16", shape: [rows], read: scales },
  ];
}

function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i += 1) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/** int4: two columns a byte, the even one in the high half, each in two's complement. */
function writeCodes(row: Float32Array, scale: number, bits: PublishedBits, codes: Int8Array): void {
  const largest = 2 ** (bits - 1) - 1;
  // The scale was rounded to float16, so the largest weight may come out a little above the largest code.
  const code = (i: number): number => Math.max(-largest, Math.min(largest, Math.round((row[i] as number) / scale)));
  for (let i = 0; i < codes.length; i += 1) {
    codes[i] = bits === 8 ? code(i) : (code(2 * i) << 4) | (code(2 * i + 1) & 15);
  }
}
