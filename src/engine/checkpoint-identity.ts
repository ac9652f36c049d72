/** @file By which name prepared weights of a model's folder lie in the cache. */
import { openCheckpoint } from "../weights/checkpoint.ts";
import { fingerprint } from "../weights/fingerprint.ts";
import { readConfigFile } from "./config-file.ts";

/** Undefined where the folder holds no model that can be loaded: nothing was prepared of it. */
export async function checkpointIdentity(folder: string): Promise<string | undefined> {
  try {
    const { text } = await readConfigFile(folder);
    return await fingerprint(await openCheckpoint(folder), text);
  } catch {
    return undefined;
  }
}
