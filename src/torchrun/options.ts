/** @file What a run on other machines is told beside how it trains. */
import { choice, complete, type Given, invalid, type OptionRule, type OptionRules } from "../options.ts";

export const engines = ["local", "torchrun"] as const;
export const launchers = ["torchrun", "deepspeed"] as const;
export const dtypes = ["auto", "float32", "bfloat16"] as const;

export interface JobOptions {
  /**
   * Where: "localhost:2" for two processes here, "user@a:4,b:4" by ssh, "@hostfile", or "slurm" within an allocation. Without a number, a
   * process for each GPU, or one.
   */
  readonly hosts: string;
  /** What starts the processes. */
  readonly launcher: (typeof launchers)[number];
  /** DeepSpeed's ZeRO: 2 divides optimiser state and gradients over the processes, 3 the parameters as well; 0 is without DeepSpeed. */
  readonly zero: number;
  /** Whether ZeRO keeps what it divides in the machines' ordinary memory. */
  readonly offload: boolean;
  /** Of the base's weights and of computing; what trains is float32. "auto": bfloat16 on GPUs that have it, else float32. */
  readonly dtype: (typeof dtypes)[number];
  /** The Python on every machine: a name or a path. */
  readonly python: string;
  /** Folder of the published checkpoint with its code, as the machines see it; empty: that of the loaded model. */
  readonly checkpoint: string;
  /** The job's folder, which every machine must see; empty: a new one in ./glmlab-jobs. */
  readonly job: string;
  /** Whether an interrupt, or a loop that is left, leaves the job running. */
  readonly detach: boolean;
}

const text = (fallback: string, what: string, isNeeded = false): OptionRule<string> => ({
  default: fallback,
  expected: what,
  allows: (value) =>
    typeof value === "string" &&
    (!isNeeded || value.trim() !== "") &&
    !/[\0\r\n]/.test(value) &&
    !value.startsWith("-"),
});

export const jobRules: OptionRules<JobOptions> = {
  hosts: text("localhost", 'hosts such as "localhost:2", "user@a:4,b:4", "@hostfile" or "slurm"', true),
  launcher: choice("torchrun", launchers),
  zero: { default: 0, expected: "0 (without), 2 or 3", allows: (value) => value === 0 || value === 2 || value === 3 },
  offload: choice(false, [true, false]),
  dtype: choice("auto", dtypes),
  python: text("python3", "a program such as python3 or /opt/venv/bin/python", true),
  checkpoint: text("", "a folder with config.json and the weights"),
  job: text("", "a folder that every machine sees"),
  detach: choice(false, [true, false]),
};

const engineRules: OptionRules<{ readonly engine: (typeof engines)[number] }> = { engine: choice("local", engines) };

/**
 * Which engine trains, and the options of its job out of all settings of `fit`.
 * @throws GlmError "option-invalid" for what cannot be, and for options of jobs where there is none
 */
export function completeJob(
  settings: Given<JobOptions & { readonly engine: (typeof engines)[number] }> | undefined,
): JobOptions & { readonly engine: (typeof engines)[number] } {
  const names = ["engine", ...Object.keys(jobRules)];
  const given = Object.fromEntries(
    Object.entries(settings ?? {}).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
  const completed = complete<JobOptions & { readonly engine: (typeof engines)[number] }>(
    "fit",
    { ...jobRules, ...engineRules },
    given,
  );
  const [without] = Object.keys(given).filter((name) => name !== "engine");
  if (completed.engine === "local" && without !== undefined)
    throw invalid("fit", [
      `${without}: expected engine: "torchrun" (--engine torchrun) beside it: here, one process trains.`,
    ]);
  return completed;
}

/** Settings of `fit` without those of jobs. */
export function withoutJob<S extends object>(settings: S): S {
  // What is no options is refused by whoever takes the others.
  if (typeof settings !== "object" || settings === null) return settings;
  const others = Object.entries(settings).filter(([name]) => name !== "engine" && !Object.hasOwn(jobRules, name));
  return Object.fromEntries(others) as S;
}
