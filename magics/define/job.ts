/** @file Options of training on other machines: those of the library's jobs. */
import { dtypes, engines, type JobOptions, jobRules, launchers } from "../../src/torchrun/options.ts";
import type { Kebab, OptionSpec } from "../option.ts";

/** Every option of a job, and no other; whether its cell is waited for is a matter of the magic. */
type JobOption = Kebab<Exclude<keyof JobOptions, "detach">> | "engine";

export const JOB_OPTIONS: Readonly<Record<JobOption, OptionSpec>> = {
  engine: {
    kind: "choice",
    choices: engines,
    default: "local",
    help: "Who trains: torchrun has PEFT do it in processes of their own, on the machines of --hosts.",
  },
  hosts: {
    kind: "text",
    value: "HOSTS",
    default: jobRules.hosts.default,
    help: "localhost:2 (two processes), user@a:4,b:4 (by ssh), @hostfile, or slurm within an allocation.",
  },
  launcher: { kind: "choice", choices: launchers, default: "torchrun", help: "What starts the processes." },
  zero: { kind: "number", rule: jobRules.zero, help: "DeepSpeed's ZeRO: 2 or 3." },
  offload: { kind: "flag", help: "ZeRO keeps what it divides in ordinary memory." },
  dtype: { kind: "choice", choices: dtypes, default: "auto", help: "Of the base's weights, on other machines." },
  python: {
    kind: "text",
    value: "PROGRAM",
    default: jobRules.python.default,
    help: "The Python of every machine, with torch, transformers, peft and safetensors.",
  },
  checkpoint: {
    kind: "text",
    value: "FOLDER",
    help: "The published checkpoint with its code, as every machine sees it; that of the loaded model by default.",
  },
  job: { kind: "text", value: "FOLDER", help: "The job's folder, which every machine sees; a new one by default." },
};
