/** @file Whether the GPU computes: tried in a process of its own, since a driver that fails takes its process along. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { entryPoint } from "../entry.ts";
import { shortened } from "../text-cut.ts";

/** Why there is none on some platforms, such as Linux on ARM. */
export const NO_WEBGPU: string = `onnxruntime's package has no WebGPU for ${process.platform} on ${process.arch}`;

/** How long a driver may take to start, in milliseconds. */
const PATIENCE_MS = 60_000;
const LONGEST = 300;

/** @returns what goes wrong and what to do; undefined when all is well */
export function tryGpu(): Promise<string | undefined> {
  const file = fileURLToPath(entryPoint("backend/gpu-trial-main"));
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { timeout: PATIENCE_MS }, (error, stdout, stderr) => {
      if (!error && stdout.trim() === "") return resolve(undefined);
      if (stdout.trim() !== "") return resolve(stdout.trim());
      const how = error?.killed
        ? `does not answer within ${PATIENCE_MS / 1000} s`
        : `ends the process that uses it (${error?.signal ?? `code ${error?.code}`})`;
      const said = shortened(stderr.trim().replace(/\s+/g, " "), LONGEST);
      resolve(`its driver ${how}${said === "" ? "" : `: ${said}`}. Update the driver`);
    });
  });
}
