/** @file What is on this machine already: whether a folder has all of a model's files, without asking anybody. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { formsOf, weightNames } from "./select.ts";

/** Why a folder cannot be loaded from as it is; undefined when it has a configuration and all its weights. */
export async function missingFrom(folder: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder).catch(() => []));
  if (!names.has("config.json")) return "config.json is missing";
  const [form] = formsOf(names);
  if (form === undefined) return "its weights are missing";
  try {
    const weights = await weightNames(form, (name) => readFile(join(folder, name), "utf8"));
    for (const name of ["config.json", ...weights]) {
      // A link whose blob was deleted is no file.
      if (!(await stat(join(folder, name)).catch(() => undefined))?.isFile()) return `${name} is missing`;
    }
    return undefined;
  } catch {
    return `${form} cannot be read`;
  }
}
