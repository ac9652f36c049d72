/** @file Every command of the program `glmlab`: a new one is a file here, and an entry. */
import type { ListedCommand } from "./command.ts";

/** By name, which may be two words. */
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
  train: {
    usage: "train MODEL DATA --adapter NAME [--save FOLDER] [--dry-run | --detach] [...]",
    summary: "fine-tunes an adapter; takes the flags of ChatGLM-Finetuning and the YAML of finetune_demo as well",
    load: async () => (await import("./train.ts")).train,
  },
  "train attach": {
    usage: "train attach MODEL NAME [--save FOLDER] [...]",
    summary: "shows a run of training that goes by itself, from its start, until it is over",
    load: async () => (await import("./train-runs.ts")).attach,
  },
  "train stop": {
    usage: "train stop MODEL NAME [--save FOLDER] [...]",
    summary: "ends a run of training after its step, which is kept",
    load: async () => (await import("./train-runs.ts")).stop,
  },
  "train runs": {
    usage: "train runs MODEL [...]",
    summary: "lists runs of training, and where their metrics and checkpoints are",
    load: async () => (await import("./train-runs.ts")).runs,
  },
  evaluate: {
    usage: "evaluate MODEL DATA [--adapters none,NAME|FOLDER] [--scores SCORE,...] [--save FILE] [...]",
    summary: "scores the answers of the base and of adapters side by side",
    load: async () => (await import("./evaluate.ts")).evaluate,
  },
  chat: {
    usage: "chat MODEL [--adapter NAME|FOLDER] [...]",
    summary: "holds a conversation in the terminal, or answers the lines of a pipe",
    load: async () => (await import("./chat.ts")).chat,
  },
  merge: {
    usage: "merge MODEL ADAPTER FOLDER [--quantized HOW] [...]",
    summary: "writes a checkpoint with an adapter merged into it, which transformers loads, too",
    load: async () => (await import("./merge.ts")).merge,
  },
  models: {
    usage: "models [list|download NAME|prepared|remove NAME] [--hub HUB] [--revision REVISION]",
    summary: "lists, downloads and removes models",
    load: async () => (await import("./models.ts")).models,
  },
  runtime: {
    usage: "runtime [start|status|stop|devices|logs]",
    summary: "the process that holds models in memory for all kernels; `glmlab runtime --help` tells more",
    load: async () => (await import("../../src/runtime/cli.ts")).runRuntimeCli,
  },
};
