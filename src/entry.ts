/** @file Where the compiled form of an entry point lies: threads and processes start from JavaScript, also when this runs from TypeScript. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { packageFolder } from "./version.ts";

/** Files of src that start a thread or a process, without extension. */
export type EntryPoint = "backend/gpu-trial-main" | "rpc/socket-thread-main" | "runtime/main" | "runtime/model-worker";

/**
 * The file to start a thread or process from.
 * @throws Error when the package is not built
 */
export function entryPoint(name: EntryPoint): URL {
  if (import.meta.url.endsWith(".js")) return new URL(`./${name}.js`, import.meta.url);
  const built = pathToFileURL(join(packageFolder, "dist", "src", `${name}.js`));
  if (!existsSync(fileURLToPath(built))) {
    throw new Error(
      `glmlab is run from its sources and not built: expected ${fileURLToPath(built)}. Run \`npm run build\`.`,
    );
  }
  return built;
}
