/** @file What is on this machine already: whether a folder has all of a model's files, without asking anybody. */
import { join } from "node:path";
import { tokenizerFileNames } from "../published.ts";
import { isFile, namesIn, readText } from "../regular-file.ts";
import { formsOf, weightNames } from "./select.ts";

/** Why a folder cannot be loaded from as it is; undefined when it has a configuration, a tokenizer and all its weights. */
export async function missingFrom(folder: string): Promise<string | undefined> {
  const names = new Set(await namesIn(folder).catch(() => []));
  // A link whose blob was deleted is no file.
  const isThere = (name: string): Promise<boolean> => isFile(join(folder, name));
  if (!names.has("config.json")) return "config.json is missing";
  const [form] = formsOf(names);
  if (form === undefined) return "its weights are missing";
  try {
    const weights = await weightNames(form, (name) => readText(join(folder, name)));
    for (const name of ["config.json", ...weights]) if (!(await isThere(name))) return `${name} is missing`;
  } catch {
    return `${form} cannot be read`;
  }
  const tokenizers = await Promise.all(tokenizerFileNames.map(isThere));
  return tokenizers.some(Boolean) ? undefined : "its tokenizer is missing";
}
