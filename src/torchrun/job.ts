/**
 * @file A job's folder: all that a run on other machines needs, and what it leaves.
 *
 *     job.json          what is trained, and how
 *     rows.jsonl        rows as token ids and labels; validation.jsonl: those to judge by
 *     steps.jsonl       a line a step: epoch, learning rate, and batches of rows by their numbers from 0
 *     adapter/          the adapter as it begins, in PEFT's files or ours
 *     train.py          what runs; deepspeed.json: ZeRO, where it is asked for
 *     launch.sh         starts the processes and waits for them (launch.ts); node.sh: those of one machine
 *     metrics.jsonl     what the run tells (metrics.ts); log/, faults/: what went wrong
 *     result/           the trained adapter, and after which step; best/: that of the best step so far
 *     stop              makes the run end after its step; halt: ends it at once
 *     alive, ended      launch.sh beats, and its processes' status; taken: what it trained is in its adapter
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, replaceFiles, textFile } from "../files.ts";
import { namesIn, readText, readWhole } from "../regular-file.ts";
import type { Cut } from "../train/cut.ts";
import { isNormOrBias } from "../train/decay.ts";
import type { EncodedSet } from "../train/encoded-set.ts";
import { epochOrder } from "../train/epoch-order.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { lengthOf } from "../train/fitting.ts";
import { adamWConfig } from "../train/optimizer.ts";
import { scheduleFactor, warmupSteps } from "../train/schedule.ts";
import type { FitEvent } from "../train/trainer.ts";
import { packageFolder } from "../version.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { JobOptions } from "./options.ts";

export const JOB_FILE = "job.json";
/** What a job tells. */
export const METRICS = "metrics.jsonl";
/** Asks it to end. */
export const STOP = "stop";
export const ADAPTER = "adapter";
export const RESULT = "result";

/** Files of a job that Python's side is, in the package's folder: also when it is compiled. */
const SCRIPTS = "src/torchrun";

export interface TrainedParameter {
  /** As in the adapter's files. */
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a job trains. */
export interface JobAdapter {
  readonly name: string;
  /** `peft`: PEFT lays it over the base. `values`: parameters of the base itself, by their names. */
  readonly form: "peft" | "values";
  readonly parameters: readonly TrainedParameter[];
  /** Which values it began with, where they are counted: only these are replaced in the end. */
  readonly revision?: number;
}

/** The loaded model whose adapter it is. */
export interface JobModel {
  readonly key: string;
  readonly name: string;
}

export interface NewJob {
  readonly model: JobModel;
  readonly adapter: JobAdapter;
  readonly checkpoint: Checkpoint;
  readonly taught: EncodedSet;
  readonly validating: EncodedSet | undefined;
  readonly cut: (Cut & { readonly maxLength: number }) | undefined;
  readonly fit: FitOptions;
  readonly options: JobOptions;
}

/** What is read again of job.json. */
export interface Job {
  readonly version: number;
  /** Never the same twice. */
  readonly id: string;
  readonly adapter: string;
  readonly model: JobModel;
  readonly revision?: number;
}

const VERSION = 2;

/**
 * Writes what a job needs, but for how it is started; its folder has the adapter's files already.
 * @returns how long it is
 * @throws GlmError "disk" when it cannot be written
 */
export async function writeJob(
  folder: string,
  job: NewJob,
): Promise<{ readonly steps: number; readonly epochs: number }> {
  const { model, adapter, checkpoint, taught, validating, fit, options, cut } = job;
  const { steps, epochs } = lengthOf(taught.length, fit);
  const { betas, eps, clip, weightDecay, lr } = adamWConfig({
    lr: fit.lr,
    clip: fit.clip,
    weightDecay: fit.weightDecay,
  });
  const start: FitEvent = { type: "start", steps, epochs, rows: taught.length, ...(cut ? { cut } : {}), job: folder };
  const settings = {
    ...{ lr, betas, eps, clip, weightDecay },
    withoutDecay: adapter.parameters.map(({ name }) => name).filter(isNormOrBias),
    ...{ batchSize: fit.batchSize, accumulate: fit.accumulate, seed: fit.seed, dtype: options.dtype },
    ...{ maxSteps: fit.maxSteps ?? 0, validateEvery: fit.validateEvery ?? 0, patience: fit.patience },
    ...{ monitor: fit.monitor ?? "loss", gradientCheckpointing: fit.gradientCheckpointing ?? false },
  };
  const written = {
    ...{
      version: VERSION,
      id: randomUUID(),
      model,
      adapter: adapter.name,
      revision: adapter.revision,
      form: adapter.form,
    },
    ...{ checkpoint: checkpoint.folder, modelType: checkpoint.modelType, pad: checkpoint.pad, zero: options.zero },
    ...{ parameters: adapter.parameters.map(({ name }) => name), settings, start },
  };
  const script = await readWhole(join(packageFolder, SCRIPTS, "train.py"));
  await replaceFiles(folder, [
    lines("rows.jsonl", examplesOf(taught)),
    ...(validating ? [lines("validation.jsonl", examplesOf(validating))] : []),
    lines("steps.jsonl", stepLines(taught, fit)),
    { name: "train.py", bytes: script.length, content: [script] },
    ...(options.zero > 0 ? [textFile("deepspeed.json", json(deepSpeedConfig(fit, options)))] : []),
    textFile(JOB_FILE, json(written)),
  ]);
  return { steps, epochs };
}

/** Rows in the form in which train.py reads them. */
function* examplesOf(set: EncodedSet): Generator<object> {
  for (let row = 0; row < set.length; row += 1) {
    const { ids, labels } = set.at(row);
    yield { ids, labels };
  }
}

/** What each step takes: the rows and rates of a run on this machine. */
function* stepLines({ lengths }: EncodedSet, fit: FitOptions): Generator<object> {
  const { steps, epochs } = lengthOf(lengths.length, fit);
  const warmup = warmupSteps(fit.warmup, steps);
  let step = 0;
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const order = epochOrder(lengths, fit, epoch);
    for (let at = 0; at < order.steps && step < steps; at += 1) {
      yield { epoch, lr: fit.lr * scheduleFactor(fit.scheduler, step, steps, warmup), parts: order.step(at) };
      step += 1;
    }
  }
}

/** DeepSpeed's configuration. Rates, the schedule and AdamW are train.py's, so that they are those of the other launcher. */
function deepSpeedConfig({ batchSize, accumulate, clip }: FitOptions, { zero, offload, dtype }: JobOptions): object {
  const where = { device: "cpu", pin_memory: true };
  return {
    // What a process takes of a batch differs by one row: DeepSpeed needs numbers, and train.py weighs by tokens.
    train_micro_batch_size_per_gpu: batchSize,
    gradient_accumulation_steps: accumulate,
    gradient_clipping: clip,
    bf16: { enabled: dtype === "bfloat16" },
    zero_allow_untested_optimizer: true,
    zero_force_ds_cpu_optimizer: false,
    zero_optimization: {
      stage: zero,
      ...(offload ? { offload_optimizer: where } : {}),
      ...(offload && zero === 3 ? { offload_param: where } : {}),
    },
  };
}

/** Whether a folder may become that of a job. */
export async function mustBeFree(folder: string): Promise<void> {
  const names = await namesIn(folder).catch((cause: NodeJS.ErrnoException): string[] => {
    if (cause.code === "ENOENT") return [];
    throw new GlmError(
      "option-invalid",
      `job: ${folder}: expected a new or empty folder, but it cannot be looked into (${cause.message}). Choose another folder.`,
      { cause },
    );
  });
  if (names.length === 0) return;
  const isJob = names.includes(JOB_FILE);
  throw new GlmError(
    "option-invalid",
    `job: ${folder}: expected a new or empty folder, got ${isJob ? "one with a job" : `one with ${names.slice(0, 3).join(", ")}`}. ` +
      (isJob ? "Watch that job with adapter.attachJob(folder), or choose another folder." : "Choose another folder."),
  );
}

/** @throws GlmError "option-invalid" when the folder has no job, or one of another version of glmlab */
export async function readJob(folder: string): Promise<Job> {
  const text = await readText(join(folder, JOB_FILE)).catch((cause: Error) => {
    throw new GlmError(
      "option-invalid",
      `${folder}: expected the folder of a job, with ${JOB_FILE}, but that cannot be read (${cause.message}). The folder is told when a job begins, and lies in glmlab-jobs unless it was chosen.`,
    );
  });
  const job = parsed(text);
  const isWhole = [job?.adapter, job?.id, job?.model?.key].every((text) => typeof text === "string");
  if (job?.version === VERSION && isWhole) return job as Job;
  throw new GlmError(
    "option-invalid",
    `${join(folder, JOB_FILE)}: expected a job of this version of glmlab, got another or a damaged one.`,
  );
}

function parsed(text: string): Partial<Job> | undefined {
  try {
    return JSON.parse(text) as Partial<Job>;
  } catch {
    return undefined;
  }
}

const json = (value: object): string => `${JSON.stringify(value, null, 1)}\n`;

/** A file of JSON lines, made while it is written. */
function lines(name: string, values: Iterable<object>): FileToWrite {
  const encoder = new TextEncoder();
  const content = function* (): Generator<Uint8Array> {
    for (const value of values) yield encoder.encode(`${JSON.stringify(value)}\n`);
  };
  return { name, bytes: 0, content: content() };
}
