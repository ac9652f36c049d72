/** @file Every command of the program `glmlab`: a new one is a file here, and an entry. */
import type { ListedCommand } from "./command.ts";

export const COMMANDS: Readonly<Record<string, ListedCommand>> = {
  install: {
    usage: "install [--user | --sys-prefix | --prefix DIR] [--name NAME] [--display-name TEXT]",
    summary: "makes the kernel known to Jupyter",
    load: async () => (await import("./install.ts")).install,
  },
  uninstall: {
    usage: "uninstall [--user | --sys-prefix | --prefix DIR] [--name NAME]",
    summary: "undoes `install` with the same options",
    load: async () => (await import("./install.ts")).uninstall,
  },
  kernel: {
    usage: "kernel CONNECTION_FILE",
    summary: "runs a kernel, as Jupyter does",
    load: async () => (await import("./kernel.ts")).kernel,
  },
  params: {
    usage: "params MODEL [--method METHOD] [--all] [--json] [...]",
    summary: "says how many parameters a method trains, of how many; of the model, only config.json is needed",
    load: async () => (await import("./params.ts")).params,
  },
  runtime: {
    usage: "runtime [start|status|stop|devices|logs]",
    summary: "the process that holds models in memory for all kernels; `glmlab runtime --help` tells more",
    load: async () => (await import("../../src/runtime/cli.ts")).runRuntimeCli,
  },
};
