/** @file A model's folder of weights, in one file or several with an index: opened, checked, and written. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, replaceFiles, textFile } from "../files.ts";
import { type WeightFile, weightFileNames } from "../published.ts";
import { namesIn, statOf } from "../regular-file.ts";
import type { Tensor } from "../tensor.ts";
import { readHeader } from "./header.ts";
import { bytesOf, readTensor, safetensorsFile, type TensorSource } from "./safetensors.ts";
import { readShards } from "./shards.ts";
import type { StoredTensor } from "./stored.ts";
import { readTorch } from "./torch.ts";

const singleName = "model.safetensors";
const indexName = "model.safetensors.index.json";

/** How weights are read that lie in a folder in one of these ways. */
const readers: Readonly<Record<WeightFile, (file: string) => Promise<readonly StoredTensor[]>>> = {
  [singleName]: readSingle,
  [indexName]: (index) => readShards(index, ".safetensors", readSingle),
  "pytorch_model.bin": readTorch,
  "pytorch_model.bin.index.json": (index) => readShards(index, ".bin", readTorch),
};

/** The weights of a model folder. Nothing but headers is held in memory. */
export interface Checkpoint {
  readonly folder: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Reads one tensor in its own type; `toFloat32` makes float32 of it. */
  read(name: string): Promise<Tensor>;
}

/**
 * Opens the weights of a model folder: safetensors, else PyTorch's files; one file, else the shards of an index. Only
 * headers are read, and checked in full.
 * @throws GlmError "model-not-found" without weights, "model-invalid" with every fault of every file, "unsupported" for
 * files of a kind that cannot be mapped
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const tensors = new Map((await readFolder(folder)).map((tensor) => [tensor.name, tensor]));
  return {
    folder,
    tensors,
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor)
        throw new GlmError(
          "model-invalid",
          `${folder}: expected a tensor ${name}, but its files have none of that name.`,
        );
      return readTensor(tensor);
    },
  };
}

async function readFolder(folder: string): Promise<readonly StoredTensor[]> {
  for (const name of weightFileNames) {
    const path = join(folder, name);
    if (await exists(path)) return readers[name](path);
  }
  const names = await namesIn(folder).catch(() => undefined);
  if (!names)
    throw new GlmError(
      "model-not-found",
      `${folder}: expected a folder with a model, but there is none. Check the path.`,
    );
  throw new GlmError(
    "model-not-found",
    `${folder}: expected ${weightFileNames.join(" or ")}, ` +
      `got ${names.length === 0 ? "an empty folder" : names.slice(0, 10).join(", ")}. ` +
      "Check the path, or fetch the model's weights.",
  );
}

async function readSingle(file: string): Promise<readonly StoredTensor[]> {
  return (await readHeader(file)).tensors;
}

/** Where a large model is cut into files unless the caller says otherwise: as in transformers, 5 GB. */
const defaultShardBytes = 5e9;

export interface WriteCheckpointOptions {
  /** Largest size of a file; a tensor that is larger gets a file of its own. */
  readonly maxShardBytes?: number;
  /** Other files of the folder (config.json, the tokenizer) that take their places together with the weights. */
  readonly files?: readonly FileToWrite[];
}

/**
 * Writes a model's weights in files that transformers loads, replacing an earlier model of that folder only when all
 * are complete. Sources are read one at a time, in their order.
 * @throws GlmError "disk" when they cannot be written
 */
export async function writeCheckpoint(
  folder: string,
  tensors: readonly TensorSource[],
  { maxShardBytes = defaultShardBytes, files = [] }: WriteCheckpointOptions = {},
): Promise<void> {
  if (!(maxShardBytes > 0)) {
    throw new GlmError(
      "option-invalid",
      `maxShardBytes: expected a positive number of bytes, got ${maxShardBytes}. The usual size is ${defaultShardBytes}.`,
    );
  }
  const shards = cut(tensors, maxShardBytes);
  const number = (n: number): string => String(n).padStart(5, "0");
  const nameOf = (shard: number): string =>
    shards.length === 1 ? singleName : `model-${number(shard + 1)}-of-${number(shards.length)}.safetensors`;
  // transformers refuses files that do not name the framework their tensors are laid out for.
  const weights = shards.map((shard, i) => safetensorsFile(nameOf(i), shard, { format: "pt" }));
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0) },
    weight_map: Object.fromEntries(shards.flatMap((shard, i) => shard.map((tensor) => [tensor.name, nameOf(i)]))),
  };
  const led = shards.length === 1 ? weights : [...weights, textFile(indexName, `${JSON.stringify(index, null, 2)}\n`)];
  await replaceFiles(folder, [...files, ...led], (name) =>
    /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/.test(name),
  );
}

/** Consecutive tensors in groups of at most `limit` bytes. */
function cut(tensors: readonly TensorSource[], limit: number): TensorSource[][] {
  const shards: TensorSource[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = bytesOf(tensor);
    if (bytes > 0 && bytes + size > limit) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)?.push(tensor);
    bytes += size;
  }
  return shards;
}

/** Whatever it is: what is no file is then refused by name. */
async function exists(path: string): Promise<boolean> {
  return statOf(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}
