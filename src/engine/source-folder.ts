/** @file From what is asked for to the folder of its files: on this machine, or fetched from a hub. */
import { isAbsolute } from "node:path";
import { GlmError } from "../errors.ts";
import { isEmbedded, modelFolder } from "../hub/model-folder.ts";
import { requestedModel } from "../hub/request.ts";
import type { OnProgress } from "../progress.ts";
import { realPathOf } from "../regular-file.ts";
import type { LoadParams } from "./engine.ts";

/** Which model is meant. */
export type ModelSource = Pick<LoadParams, "name" | "hub">;

/** @throws GlmError "model-not-found", and what `fetchModel` says */
export async function sourceFolder(
  { name, hub }: ModelSource,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<string> {
  if (hub) {
    const inBytes = (stage: string, done: number, total: number): void => onProgress(stage, done, total, "bytes");
    return realPathOf(await requestedModel(name, hub, { onProgress: inBytes, signal }));
  }
  if (!isEmbedded(name) && !isAbsolute(name)) {
    throw new GlmError(
      "model-not-found",
      `model ${name}: expected "tiny", the absolute path of a folder, or a hub to fetch it from. Where the model runs, a ` +
        "relative path leads elsewhere: give the whole path.",
    );
  }
  const folder = await modelFolder(name);
  if (folder !== undefined) return folder;
  throw new GlmError("model-not-found", `model ${name}: expected a folder, or a hub to fetch it from. Check the path.`);
}
