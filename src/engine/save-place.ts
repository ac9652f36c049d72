/** @file Where a model must not be saved: over files that a loaded model is mapped from. */
import { resolve } from "node:path";
import { GlmError } from "../errors.ts";
import { realPathOf } from "../regular-file.ts";
import type { ModelInfo } from "./engine.ts";

/** @throws GlmError "option-invalid" when the folder is that of a loaded model */
export async function mustBeElsewhere(
  folder: string,
  loaded: Iterable<Pick<ModelInfo, "name" | "folder">>,
): Promise<void> {
  const target = await realPathOf(folder).catch(() => resolve(folder));
  for (const model of loaded) {
    if (model.folder !== target) continue;
    throw new GlmError(
      "option-invalid",
      `save: ${folder} is the folder of ${model.name}, which is loaded: its files are in use and would change under it. ` +
        "Save into another folder.",
    );
  }
}
