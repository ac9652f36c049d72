/** @file Where a model lies on this machine: an embedded one by name, else by path. */
import { join, resolve } from "node:path";
import { GlmError } from "../errors.ts";
import { realPathOf, statOf } from "../regular-file.ts";
import { packageFolder } from "../version.ts";
import { isHubId } from "./names.ts";

/** Models that come with the package. */
const EMBEDDED: ReadonlySet<string> = new Set(["tiny"]);

/** Whether a name means a model that comes with the package, wherever it is asked for. */
export const isEmbedded = (name: string): boolean => EMBEDDED.has(name);

/**
 * The folder of a model on this machine: an embedded one by name, else a path. Undefined when the name is a hub's id, and
 * no folder of that name holds a model.
 * @throws GlmError "model-not-found" when it cannot be an id either
 */
export async function modelFolder(name: string): Promise<string | undefined> {
  const folder = isEmbedded(name) ? join(packageFolder, "models", name) : resolve(name);
  const isId = isHubId(name);
  const isThere = await statOf(isId ? join(folder, "config.json") : folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ETIMEDOUT") return false;
      throw new GlmError("model-not-found", `model ${name}: ${folder} cannot be read: ${error.message}`);
    },
  );
  if (isThere) return realPathOf(folder);
  if (isId) return undefined;
  throw new GlmError(
    "model-not-found",
    `model ${name}: expected "tiny", a folder with config.json, weights and tokenizer, or the id of a model on a hub ` +
      `(owner/name); there is no folder ${folder}. Check the path.`,
  );
}
