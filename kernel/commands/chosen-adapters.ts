/** @file Adapters as a command names them: by the names under which they are kept, or by folders of files. */
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { isSum } from "../../src/api/adapter-sum.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterHandle } from "../../src/index.ts";
import type { Workplace } from "./loading.ts";

/**
 * Whoever a word names: null for none, a kept adapter or a sum of such by name, a folder's adapter for as long as the command runs.
 * @throws GlmError "adapter-not-found", "adapter-invalid"
 */
export async function chosenAdapter(place: Workplace, word: string): Promise<string | AdapterHandle | null> {
  if (word === "none") return null;
  const isPath = /[\\/]/.test(word);
  if (!isPath && isSum(word)) return word;
  const kept = isPath ? [] : await place.model.adapters();
  if (kept.some(({ name }) => name === word)) return word;
  const folder = await stat(word).catch(() => undefined);
  if (folder?.isDirectory()) return fromFolder(place, word);
  if (isPath) {
    throw new GlmError(
      "adapter-not-found",
      `adapter ${word}: expected a folder of adapter files, got ${folder ? "a file" : "none at that path"}. Check the path.`,
    );
  }
  try {
    return (await place.model.adapter(word)).name;
  } catch (error) {
    if (!(error instanceof GlmError && error.code === "adapter-not-found")) throw error;
    const remedy = "A folder of adapter files is named by its path, such as ./dream.";
    throw new GlmError("adapter-not-found", `${error.message} ${remedy}`, { cause: error });
  }
}

async function fromFolder({ model: own, aside }: Workplace, folder: string): Promise<AdapterHandle> {
  const model = await aside();
  // Those that are kept as well: side by side, nobody could tell the two apart.
  const taken = new Set([...(await model.adapters()), ...(await own.adapters())].map(({ name }) => name));
  const wanted = adapterNameOf(folder);
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
  const adapter = await model.loadAdapter(name, folder);
  if (name !== wanted) console.error(`${name} stands for ${folder}: there is another ${wanted}.`);
  if (adapter.note !== undefined) console.error(adapter.note);
  return adapter;
}

/** Longest name of an adapter that leaves room for a number behind it. */
const LONGEST = 56;

/** The name that an adapter has of its folder's: "./out/my dream/" -> "my-dream". */
export function adapterNameOf(folder: string): string {
  const name = basename(resolve(folder))
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[^\p{L}\p{N}_]+/u, "")
    .slice(0, LONGEST);
  return name === "" || name === "none" ? "adapter" : name;
}
