/** @file `glmlab kernel`: runs a kernel. */
import { type Command, UsageError } from "./command.ts";

export const kernel: Command = {
  options: {},
  words: 1,
  async run(_values, [file]) {
    if (file === undefined)
      throw new UsageError("glmlab kernel: expected a CONNECTION_FILE, which Jupyter writes for each kernel.");
    await (await import("../process.ts")).runKernel(file);
    return 0; // once the kernel ends; it ends the process itself
  },
};
