/** @file An adapter that is trained on other machines: the job is made and started here; job-watch.ts watches it and brings back what it trained. */
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { RowStore } from "../data/row-store.ts";
import type { AdapterInfo, RunInfo } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { checkNodes } from "../torchrun/check.ts";
import { readCheckpoint } from "../torchrun/checkpoint.ts";
import { readHosts } from "../torchrun/hosts.ts";
import { ADAPTER, type JobAdapter, mustBeFree, writeJob } from "../torchrun/job.ts";
import { launch, writeLaunch } from "../torchrun/launch.ts";
import type { JobOptions } from "../torchrun/options.ts";
import { sumOfCuts } from "../train/cut.ts";
import { limitsFor, rowEncoder } from "../train/encode.ts";
import { encodeSet } from "../train/encoded-set.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { rowWriter } from "../train/row-writer.ts";
import type { FitEvent } from "../train/trainer.ts";
import { type JobRun, watched } from "./job-watch.ts";

/** Where jobs lie whose folder was not chosen, below the current folder. */
const JOBS = "glmlab-jobs";

export interface JobRequest {
  readonly train: RowStore;
  readonly validation: RowStore;
  readonly fit: FitOptions;
  readonly options: JobOptions;
  readonly resume: boolean;
}

/**
 * Starts a job, and watches it to its end.
 * @throws GlmError as `startOnMachines`; "job-failed" and others when it fails
 */
export async function* fitOnMachines(run: JobRun, request: JobRequest): AsyncGenerator<FitEvent, void, void> {
  yield* watched(run, yield* started(run, request), request.options.detach);
}

/**
 * Starts a job that nobody watches yet.
 * @returns how it stands when it has started
 * @throws GlmError "option-invalid" or "unsupported" for what cannot be trained so, "host-unreachable" for a machine that does not answer,
 * "model-invalid" for a checkpoint without code, "adapter-invalid" while the adapter is being trained; nothing was started then
 */
export async function startOnMachines(run: JobRun, request: JobRequest): Promise<RunInfo> {
  const starting = started(run, request);
  while (!(await starting.next()).done);
  const { context, adapter } = run;
  return (await context.engine.call("run", { model: context.info.key, adapter })) as RunInfo;
}

/**
 * Makes a job of a run, checks the machines, notes that it trains the adapter, and starts it.
 * @returns its folder
 */
async function* started(run: JobRun, request: JobRequest): AsyncGenerator<FitEvent, string, void> {
  const { options, fit } = request;
  const folder = resolve(options.job || join(JOBS, `${run.adapter.name}-${stamp(new Date())}`));
  const { engine, info } = run.context;
  const target = { model: info.key, adapter: run.adapter };
  if (request.resume) {
    throw new GlmError(
      "option-invalid",
      "fit: engine torchrun: resume: a job is not taken up again; watch one that runs with adapter.attach() (%train attach), or train on from its last values with a new job.",
    );
  }
  const before = await engine.call("run", target);
  if (before?.state === "running") {
    throw new GlmError(
      "adapter-invalid",
      `adapter ${run.adapter.name} is being trained, in ${before.folder}. Wait for it (%train attach), end it (%train stop), or use another name.`,
    );
  }
  const adapter = jobAdapter(await engine.call("adapterInfo", target), fit, options);
  const hosts = await readHosts(options.hosts);
  if (hosts.by === "slurm" && options.launcher === "deepspeed") {
    throw new GlmError(
      "option-invalid",
      'launcher: expected torchrun with hosts "slurm", whose srun starts it on each machine, got deepspeed, which goes to the machines itself. ' +
        "Leave launcher (--launcher) out: ZeRO (zero, --zero) is there with either.",
    );
  }
  const checkpoint = await readCheckpoint(resolve(options.checkpoint || info.folder));
  const writer = rowWriter(info.family, run.context.tokenizer);
  const encode = rowEncoder(writer, limitsFor(fit, info.config));
  const taught = yield* encodeSet(request.train, encode);
  const validating = request.validation.length > 0 ? yield* encodeSet(request.validation, encode) : undefined;
  await mustBeFree(folder);
  try {
    await engine.call("saveAdapter", { ...target, folder: join(folder, ADAPTER) });
    const lost = sumOfCuts([taught, ...(validating ? [validating] : [])].map((set) => set.cut));
    const cut = lost && { ...lost, maxLength: fit.maxLength };
    const model = { key: info.weightsKey, name: info.name };
    const length = await writeJob(folder, { model, adapter, checkpoint, taught, validating, cut, fit, options });
    run.signal?.throwIfAborted();
    const nodes = await checkNodes(hosts, { job: folder, checkpoint: checkpoint.folder, options }, run.signal);
    await writeLaunch(folder, hosts.by, nodes, options);
    run.signal?.throwIfAborted();
    await engine.call("noteJob", { ...target, folder, ...length });
    await launch(folder);
  } catch (error) {
    // It was new or empty, and nothing runs.
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** @throws GlmError "unsupported" for what is trained on this machine only */
function jobAdapter(info: AdapterInfo, fit: FitOptions, options: JobOptions): JobAdapter {
  const { method } = info.config;
  const why = {
    adaLora:
      "PEFT's AdaLoRA takes its penalty and its ranks otherwise within a step that several processes share. Take lora(), or",
    pTuning: "PEFT has no prefixes in ChatGLM's form. Take lora(), or",
  };
  if (method === "adaLora" || method === "pTuning") {
    throw new GlmError(
      "unsupported",
      `fit: engine torchrun: expected LoRA, freeze, embeddings or full, got ${method}: ${why[method]} train on this machine (engine: "local").`,
    );
  }
  const faults = [
    ...(info.merged ? [`${info.name} is merged; unmerge it first`] : []),
    ...(fit.rehearse.length > 0
      ? ["rehearse: what is rehearsed is answered and weighed on this machine only; put such rows among the others"]
      : []),
    ...(fit.monitor !== undefined && fit.monitor !== "loss" && fit.monitor !== "perplexity"
      ? [`monitor: expected loss or perplexity, got ${fit.monitor}, which needs answers while it trains`]
      : []),
    ...(options.offload && options.zero === 0 ? ["offload: it is a matter of ZeRO; add zero: 2 or 3 (--zero 2)"] : []),
  ];
  if (faults.length > 0) throw new GlmError("option-invalid", `fit: engine torchrun: ${faults.join("; ")}.`);
  const parameters = info.parameters.filter(({ trainable }) => trainable).map(({ name, shape }) => ({ name, shape }));
  const revision = info.revision === undefined ? {} : { revision: info.revision };
  return { name: info.name, form: method === "lora" ? "peft" : "values", parameters, ...revision };
}

/** "20260131-235959" */
const stamp = (date: Date): string =>
  date
    .toISOString()
    .replace(/\.\d+Z$/, "")
    .replace(/[-:]/g, "")
    .replace("T", "-");
