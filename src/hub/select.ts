/** @file Which of a model's files are needed: its configuration, its tokenizer, and its weights in one form. Never code. */
import { GlmError } from "../errors.ts";
import { tokenizerFileNames, type WeightFile, weightFileNames } from "../published.ts";
import type { RemoteFile } from "./hub.ts";

/** What a model is described by; not every model has all of them. */
const DESCRIPTIONS: ReadonlySet<string> = new Set([
  "config.json",
  "generation_config.json",
  ...tokenizerFileNames,
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
]);

/** A form of weights: one file, or an index that names several. */
export type Form = WeightFile;

const isIndex = (form: Form): boolean => form.endsWith(".index.json");

/** The forms that a model's weights have among its files, likeliest first. */
export const formsOf = (names: ReadonlySet<string>): readonly Form[] =>
  weightFileNames.filter((form) => names.has(form));

/** The small files that are fetched first: the index of the weights tells the rest. */
export function descriptionsOf<F extends Pick<RemoteFile, "path">>(files: readonly F[], form: Form): readonly F[] {
  return files.filter(({ path }) => DESCRIPTIONS.has(path) || (path === form && isIndex(form)));
}

/**
 * The names of the files that hold the weights.
 * @param index reads the index, when the form has one
 * @throws GlmError "model-invalid" when it is none
 */
export async function weightNames(form: Form, index: (name: string) => Promise<string>): Promise<readonly string[]> {
  if (!isIndex(form)) return [form];
  const names = shards(parsed(await index(form)));
  if (names) return names;
  throw new GlmError(
    "model-invalid",
    `${form}: expected {"weight_map": {tensor name: file name}}, got something else. The model's files on the hub are damaged; try another --revision.`,
  );
}

function shards(index: unknown): readonly string[] | undefined {
  const map: unknown =
    typeof index === "object" && index !== null && "weight_map" in index ? index.weight_map : undefined;
  if (typeof map !== "object" || map === null) return undefined;
  const names = [...new Set<unknown>(Object.values(map))];
  // Names beside the index only: what a hub says must not lead out of the model's folder.
  const isName = (name: unknown): name is string =>
    typeof name === "string" && /^\w[\w.-]*\.(safetensors|bin)$/.test(name);
  return names.length > 0 && names.every(isName) ? names : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
