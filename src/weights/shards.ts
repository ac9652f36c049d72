/** @file Weights in several files beside an index that says which tensor is in which. */

import { basename, dirname, join } from "node:path";
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { readBytes, withFile } from "../file-bytes.ts";
import { mustDecode } from "../text-encoding.ts";
import type { StoredTensor } from "./stored.ts";

/** A real index has a hundred bytes for each tensor. */
const maxIndexBytes = 16 * 2 ** 20;

/**
 * The tensors of all shards that the index names.
 * @param extension how the names of shards end
 * @param readShard reads the tensors of one file
 * @throws GlmError "model-invalid" with every fault of the index and of every file
 */
export async function readShards(
  index: string,
  extension: string,
  readShard: (file: string) => Promise<readonly StoredTensor[]>,
): Promise<readonly StoredTensor[]> {
  const folder = dirname(index);
  const faults: string[] = [];
  const found = new Map<string, StoredTensor>();
  for (const [shard, names] of await namesByShard(index, extension)) {
    try {
      const tensors = await readShard(join(folder, shard));
      for (const tensor of tensors) {
        const twin = found.get(tensor.name);
        if (twin) faults.push(`${shard}: has ${describe(tensor.name)}, as has ${basename(twin.file)}`);
        else found.set(tensor.name, tensor);
      }
      const had = new Set(tensors.map(({ name }) => name));
      for (const name of names) {
        if (had.has(name)) continue;
        faults.push(`${shard}: expected a tensor ${describe(name)}, as the index says, but it has none of that name`);
      }
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      const missing = error.code === "model-not-found";
      // The file's own faults are a list within this one.
      faults.push(missing ? `${shard}: missing, with ${names.length} tensors` : error.message.replaceAll("\n", "\n  "));
    }
  }
  if (faults.length > 0) {
    throw new GlmError(
      "model-invalid",
      `${folder}: its weights cannot be used; fetch the files again:${faultLines(faults)}`,
    );
  }
  return [...found.values()];
}

/** The index's tensor names, by the shard beside it that has them. */
async function namesByShard(index: string, extension: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const fail = (got: string): never => {
    throw new GlmError(
      "model-invalid",
      `${index}: expected {"weight_map": {tensor name: file beside the index}}, got ${got}. Fetch it again.`,
    );
  };
  const text = await withFile(index, "an index of weights", async (handle, fileBytes) => {
    if (fileBytes > maxIndexBytes) fail(`${fileBytes} bytes, expected at most ${maxIndexBytes}`);
    return mustDecode(await readBytes(handle, index, 0, fileBytes), ({ got }) => fail(got));
  });
  const map = weightMap(text, fail);
  if (map.length === 0) fail("an empty weight_map");
  const shards = new Map<string, string[]>();
  for (const [name, file] of map) {
    // Only files of this folder: an index must not lead elsewhere.
    if (typeof file !== "string" || /[/\\:]/.test(file) || !file.endsWith(extension)) {
      return fail(`${describe(file)} for ${describe(name)}, expected the name of a file that ends in ${extension}`);
    }
    const names = shards.get(file);
    if (names) names.push(name);
    else shards.set(file, [name]);
  }
  return shards;
}

function weightMap(text: string, fail: (got: string) => never): [name: string, file: unknown][] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail("no JSON");
  }
  const map: unknown = typeof json === "object" && json !== null && "weight_map" in json ? json.weight_map : undefined;
  return typeof map === "object" && map !== null && !Array.isArray(map) ? Object.entries(map) : fail("no weight_map");
}
