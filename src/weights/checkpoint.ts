/** @file A model's folder of safetensors files, one or several with an index: opened, checked, and written. */
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, replaceFiles, textFile } from "../files.ts";
import type { Tensor } from "../tensor.ts";
import { readHeader, type StoredTensor } from "./header.ts";
import { bytesOf, readTensor, safetensorsFile, type TensorSource } from "./safetensors.ts";

const singleName = "model.safetensors";
const indexName = "model.safetensors.index.json";

/** The weights of a model folder. Nothing but headers is held in memory. */
export interface Checkpoint {
  readonly folder: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Reads one tensor in its own type; `toFloat32` makes float32 of it. */
  read(name: string): Promise<Tensor>;
}

/**
 * Opens the weights of a model folder: `model.safetensors`, else the shards that `model.safetensors.index.json` names.
 * @throws GlmError "model-not-found" without weights, "model-invalid" with every fault of every file
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const stored = (await exists(join(folder, singleName)))
    ? (await readHeader(join(folder, singleName))).tensors
    : (await exists(join(folder, indexName)))
      ? await readShards(folder)
      : await noWeights(folder);
  const tensors = new Map(stored.map((tensor) => [tensor.name, tensor]));
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

/** The tensors that the index names, from all shards. */
async function readShards(folder: string): Promise<StoredTensor[]> {
  const index = join(folder, indexName);
  const shardOf = weightMap(await readFile(index, "utf8"), index);
  const faults: string[] = [];
  const found: StoredTensor[] = [];
  for (const shard of new Set(shardOf.values())) {
    const names = [...shardOf].filter(([, file]) => file === shard).map(([name]) => name);
    try {
      const tensors = new Map((await readHeader(join(folder, shard))).tensors.map((tensor) => [tensor.name, tensor]));
      for (const name of names) {
        const tensor = tensors.get(name);
        if (tensor) found.push(tensor);
        else faults.push(`${shard}: expected a tensor ${name}, as the index says, but it has none of that name`);
      }
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      faults.push(error.code === "model-not-found" ? `${shard}: missing, with ${names.length} tensors` : error.message);
    }
  }
  if (faults.length > 0) {
    throw new GlmError(
      "model-invalid",
      `${folder}: its weights cannot be used; fetch the files again:\n- ${faults.join("\n- ")}`,
    );
  }
  return found;
}

/** The index's map from tensor names to the shards beside it. */
function weightMap(text: string, index: string): Map<string, string> {
  const fail = (got: string): never => {
    throw new GlmError(
      "model-invalid",
      `${index}: expected {"weight_map": {tensor name: file beside the index}}, got ${got}. Fetch it again.`,
    );
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    fail("no JSON");
  }
  const map: unknown = typeof json === "object" && json !== null && "weight_map" in json ? json.weight_map : undefined;
  if (typeof map !== "object" || map === null || Array.isArray(map)) return fail("no weight_map");
  const entries = Object.entries(map as Record<string, unknown>);
  if (entries.length === 0) fail("an empty weight_map");
  return new Map(
    entries.map(([name, file]): [string, string] =>
      typeof file === "string" && /^[^/\\]+\.safetensors$/.test(file)
        ? [name, file]
        : fail(`${JSON.stringify(file)} for ${name}`),
    ),
  );
}

async function noWeights(folder: string): Promise<never> {
  const names = await readdir(folder).catch(() => undefined);
  if (!names)
    throw new GlmError(
      "model-not-found",
      `${folder}: expected a folder with a model, but there is none. Check the path.`,
    );
  if (names.some((name) => name.endsWith(".bin"))) {
    throw new GlmError(
      "unsupported",
      `${folder}: expected safetensors weights, got PyTorch files (.bin), which cannot be read yet. ` +
        "Convert them with transformers: model.save_pretrained(folder, safe_serialization=True).",
    );
  }
  throw new GlmError(
    "model-not-found",
    `${folder}: expected ${singleName} or ${indexName}, got ${names.length === 0 ? "an empty folder" : names.slice(0, 10).join(", ")}. ` +
      "Check the path, or fetch the model's weights.",
  );
}

/** Where a large model is cut into files unless the caller says otherwise: as in transformers, 5 GB. */
export const defaultShardBytes = 5e9;

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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
