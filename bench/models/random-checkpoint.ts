/**
 * @file Writes a random model's folder as its publishers would: float16, or int8 / int4 with a scale a row.
 *
 * One file a layer, one tensor in memory. A folder that an interrupted run left is completed: whole files stay.
 */
import { copyFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceFiles, textFile } from "../../src/files.ts";
import { toFloat16 } from "../../src/float16.ts";
import { packPublished, type QuantizedRows, quantizeRows } from "../../src/quantization/quantize.ts";
import { sizeOf, type Tensor, tensor } from "../../src/tensor.ts";
import { packageFolder } from "../../src/version.ts";
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

/** The published scheme: codes, two a byte where they have 4 bits, and a scale a row. */
function quantized(what: RandomTensor, weights: RandomWeights, bits: PublishedBits): TensorSource[] {
  const { name, shape } = what;
  const [rows, columns] = shape as readonly [number, number];
  const width = (columns * bits) / 8;
  // Made once for both tensors, and held no longer than that: the file has scales first, as their elements are larger.
  let made: QuantizedRows | undefined;
  const scales = (): Tensor<"float16"> => {
    made = quantizeRandom(what, weights, bits);
    return toFloat16(tensor("float32", [rows], made.scales));
  };
  const codes = (): Tensor<"int8"> => {
    const { codes } = made ?? quantizeRandom(what, weights, bits);
    made = undefined;
    return tensor("int8", [rows, width], bits === 8 ? codes : packPublished(codes));
  };
  return [
    { name: `${name}_scale`, dtype: "float16", shape: [rows], read: scales },
    { name, dtype: "int8", shape: [rows, width], read: codes },
  ];
}

/** Row by row: the matrix is never in memory as float32. */
function quantizeRandom(what: RandomTensor, weights: RandomWeights, bits: PublishedBits): QuantizedRows {
  const [rows, columns] = what.shape as readonly [number, number];
  const [codes, scales] = [new Int8Array(rows * columns), new Float32Array(rows)];
  const row = new Float32Array(columns);
  for (let i = 0; i < rows; i += 1) {
    weights.floats(what, i * columns, row);
    const quantized = quantizeRows(row, columns, bits);
    codes.set(quantized.codes, i * columns);
    scales.set(quantized.scales, i);
  }
  return { codes, scales };
}
