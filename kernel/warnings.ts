/** @file Node's warnings: the notebook is shown those that its cells cause, and not what the kernel itself is built on. */

import { describeError } from "./describe.ts";

/** How cells import from a folder of their own (resolve.ts). Node tells of each of its experiments once a process. */
const OWN_EXPERIMENT = "vm.USE_MAIN_CONTEXT_DEFAULT_LOADER ";

/** From now on. What is written to stderr must be caught already. */
export function showWarnings(): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    const { name, message } = describeError(warning);
    if (name === "ExperimentalWarning" && message.startsWith(OWN_EXPERIMENT)) return;
    process.stderr.write(`${name}: ${message}\n`);
  });
}
