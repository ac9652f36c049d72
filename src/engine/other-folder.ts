/** @file Folders that are given as a model and hold something else: called what they are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_FILE } from "../adapters/adapter-files.ts";
import { GlmError } from "../errors.ts";
import { holdsPrefixOnly, prefixAlone } from "../weights/prefix.ts";

/**
 * The error for a folder that could not be read as a model's.
 * @param error what was wrong with it as a model
 */
export async function otherFolder(folder: string, error: unknown): Promise<unknown> {
  if (!(error instanceof GlmError)) return error;
  if (await holdsPrefixOnly(folder)) return prefixAlone(folder);
  if (existsSync(join(folder, CONFIG_FILE)) && !existsSync(join(folder, "config.json"))) {
    return new GlmError(
      "model-invalid",
      `${folder}: expected a model, got an adapter. Load its base model, then the adapter on it: ` +
        `%adapter load NAME ${folder}, or loadAdapter(name, folder).`,
      { cause: error },
    );
  }
  return error;
}
