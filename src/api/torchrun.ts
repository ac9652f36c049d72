/** @file An adapter that is trained on other machines: the job is made here, watched from here, and what it trained comes back here. */
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { RowStore } from "../data/row-store.ts";
import type { AdapterInfo, AdapterRef } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { namesIn, readText } from "../regular-file.ts";
import { checkNodes } from "../torchrun/check.ts";
import { readCheckpoint } from "../torchrun/checkpoint.ts";
import { askToStop, follow, untilEnded } from "../torchrun/follow.ts";
import { readHosts } from "../torchrun/hosts.ts";
import { ADAPTER, type Job, type JobAdapter, mustBeFree, RESULT, readJob, writeJob } from "../torchrun/job.ts";
import { launch, writeLaunch } from "../torchrun/launch.ts";
import type { JobOptions } from "../torchrun/options.ts";
import { sumOfCuts } from "../train/cut.ts";
import { limitsFor, rowEncoder } from "../train/encode.ts";
import { encodeSet } from "../train/encoded-set.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { rowWriter } from "../train/row-writer.ts";
import type { FitEvent } from "../train/trainer.ts";
import type { HandleContext } from "./context.ts";

/** Where jobs lie whose folder was not chosen, below the current folder. */
const JOBS = "glmlab-jobs";

/** Says that what a job trained is in its adapter. */
const TAKEN = "taken";

/** What a job is run for. */
export interface JobRun {
  readonly context: HandleContext;
  readonly adapter: AdapterRef;
  /** Read when the loop begins: the cell that reads is the cell that can interrupt. */
  readonly signal: AbortSignal | undefined;
}

export interface JobRequest {
  readonly train: RowStore;
  readonly validation: RowStore;
  readonly fit: FitOptions;
  readonly options: JobOptions;
  readonly resume: boolean;
}

/**
 * Makes a job of a run, checks the machines, starts it, and watches it to its end.
 * @throws GlmError "option-invalid" or "unsupported" for what cannot be trained so, "host-unreachable" for a machine that does not answer,
 * "model-invalid" for a checkpoint without code; nothing was started then. "job-failed" and others when it fails
 */
export async function* fitOnMachines(run: JobRun, request: JobRequest): AsyncGenerator<FitEvent, void, void> {
  const { options, fit } = request;
  const folder = resolve(options.job || join(JOBS, `${run.adapter.name}-${stamp(new Date())}`));
  const { engine, info } = run.context;
  const target = { model: info.key, adapter: run.adapter };
  if (request.resume) {
    throw new GlmError(
      "option-invalid",
      "fit: engine torchrun: resume: a job is not taken up again; watch one that runs with adapter.attachJob(folder), or train on from its last values with a new job.",
    );
  }
  const adapter = jobAdapter(await engine.call("adapterInfo", target), fit, options);
  const hosts = await readHosts(options.hosts);
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
    await writeJob(folder, { adapter, checkpoint, taught, validating, cut, fit, options });
    run.signal?.throwIfAborted();
    const nodes = await checkNodes(hosts, { job: folder, checkpoint: checkpoint.folder, options });
    run.signal?.throwIfAborted();
    await writeLaunch(folder, hosts.by, nodes, options);
    await launch(folder);
  } catch (error) {
    // It was new or empty, and nothing runs.
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  yield* watched(run, folder, options.detach);
}

/**
 * Watches a job of this adapter that was started before, from its first event on.
 * @throws GlmError "option-invalid" when the folder has no job of it
 */
export async function* attachToJob(run: JobRun, place: string, detach: boolean): AsyncGenerator<FitEvent, void, void> {
  const folder = resolve(place);
  const job = await readJob(folder);
  if (job.adapter !== run.adapter.name) {
    throw new GlmError(
      "option-invalid",
      `attachJob: ${folder}: expected a job of the adapter ${run.adapter.name}, got one of ${job.adapter}. Attach with that adapter.`,
    );
  }
  yield* watched(run, folder, detach);
}

/** @param detach whether whoever looks no longer leaves the job running; else it ends after its step, which is kept */
async function* watched(run: JobRun, folder: string, detach: boolean): AsyncGenerator<FitEvent, void, void> {
  const job = await readJob(folder);
  let isOver = false;
  try {
    for await (const event of follow(folder, run.signal)) {
      if (event.type === "done" || event.type === "stopped") {
        isOver = true;
        await takeBack(run, folder, job);
      }
      if (event.type !== "stopped") yield event;
    }
  } catch (error) {
    if (!isOver && !run.signal?.aborted) {
      isOver = true;
      throw await withWhatIsKept(run, folder, job, error);
    }
    throw error;
  } finally {
    if (!isOver && !detach) {
      await askToStop(folder);
      await untilEnded(folder);
      await takeBack(run, folder, job);
    }
  }
}

/** Brings what was trained into its adapter, once. */
async function takeBack({ context, adapter }: JobRun, folder: string, job: Job): Promise<number> {
  const steps = await keptSteps(folder);
  const names = await namesIn(folder);
  if (steps > 0 && !names.includes(TAKEN)) {
    const values = {
      folder: join(folder, RESULT),
      steps,
      ...(job.revision === undefined ? {} : { revision: job.revision }),
    };
    await context.engine.call("takeAdapter", { model: context.info.key, adapter, ...values });
    await writeFile(join(folder, TAKEN), "");
  }
  return steps;
}

/** Steps of what a job has kept; 0 for nothing. */
async function keptSteps(folder: string): Promise<number> {
  const text = await readText(join(folder, RESULT, "state.json")).catch(() => '{"step":0}');
  return Number((JSON.parse(text) as { readonly step?: unknown }).step ?? 0);
}

/** A failure, and what the adapter has of the steps before it. */
async function withWhatIsKept(run: JobRun, folder: string, job: Job, error: unknown): Promise<unknown> {
  if (!(error instanceof GlmError)) return error;
  const steps = await takeBack(run, folder, job).catch(() => 0);
  const kept = steps > 0 ? ` ${run.adapter.name} has the values of step ${steps}, which were kept last.` : "";
  return new GlmError(error.code, `${error.message}${kept}`, { cause: error });
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
