/** @file An adapter as a notebook holds it: a handle; its tensors live beside the weights. */
import { resolve } from "node:path";
import type { AdapterConfig, AdapterTensors, ModuleRank } from "../adapters/adapter.ts";
import type { AdapterFormat } from "../adapters/formats.ts";
import type { RowBatch } from "../data/dataset.ts";
import type { AdapterInfo, AdapterRef, Batch, NewAdapterInfo, ParameterInfo, RunInfo } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { parameterCount } from "../models/architectures.ts";
import { complete, refuse, refuseUnknown } from "../options.ts";
import { completeJob, type JobOptions, jobRules, withoutJob } from "../torchrun/options.ts";
import { cutOf, type EncodeOptions, encodeForModel } from "../train/encode.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import { rowWriter } from "../train/row-writer.ts";
import type { FitEvent } from "../train/trainer.ts";
import { faultsOf } from "./checks.ts";
import { type HandleContext, refOf, sameAdapter } from "./context.ts";
import * as defaults from "./defaults.ts";
import { Examiner } from "./examiner.ts";
import { type FitRequest, type FitSettings, fitRequest } from "./fit-request.ts";
import { type GradientStep, Gradients } from "./gradients.ts";
import type { JobRun } from "./job-watch.ts";
import { breadthOf } from "./knowledge-pace.ts";
import { batchRows, type Rows, sendRows } from "./rows.ts";
import { type Abortable, cellSignal, onlySignal } from "./signal.ts";
import { TrainableSummary } from "./summary.ts";
import type { JobRequest } from "./torchrun.ts";
import { unbrokenFit } from "./unbroken-fit.ts";

export interface GradientOptions extends Abortable {
  /** Decides what dropout drops. */
  readonly seed?: number | undefined;
  /** Longest encoded row in tokens. */
  readonly maxLength?: number | undefined;
  /** Longest prompt in tokens; 0, the default, leaves it what the answer leaves. */
  readonly maxPromptLength?: number | undefined;
  /** Whether `<|assistant|>` is learnt as well. */
  readonly learnRole?: boolean | undefined;
  /** Whether layers' inner values are computed again going back, rather than kept: less memory, more time, the same gradients. */
  readonly gradientCheckpointing?: boolean | undefined;
}

export interface AttachOptions extends Abortable {
  /** Whether the job goes on when the loop is left or interrupted; else it ends after its step, which is kept. */
  readonly detach?: boolean | undefined;
}

export interface AdapterSaveOptions extends Abortable {
  /**
   * Another form than the method's usual one, of a prefix: "peft", as PEFT's prefix tuning is saved, or "published", as by ChatGLM's own
   * scripts.
   */
  readonly format?: AdapterFormat | undefined;
  /** Takes the place of another adapter's files, or lies among a model's, which is refused else. */
  readonly replace?: boolean | undefined;
}

export interface BaseAnswersOptions extends Abortable {
  /** Told how many of those that were not put before are answered. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** What a step of an optimiser came to. */
export interface StepResult {
  /** Total norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** Steps the optimiser has taken with the adapter. */
  readonly step: number;
  /** What is left of each module's rank, of methods that give ranks up while they train (AdaLoRA). */
  readonly ranks?: readonly ModuleRank[];
}

export class AdapterHandle {
  readonly name: string;
  /** The notebook it belongs to. */
  readonly owner: string;
  readonly config: AdapterConfig;
  /** The name under which the trained adapter is kept that had this name when this one was made; undefined when there was none. */
  readonly setAside: string | undefined;
  /** What its user should know of how it was made or loaded: that modules which it names are called otherwise, or are not there. */
  readonly note: string | undefined;
  readonly #context: HandleContext;
  readonly #info: AdapterInfo;
  #losses = 0;

  /** Made by ChatGLM; an adapter's data are not here. */
  constructor(context: HandleContext, info: NewAdapterInfo) {
    this.#context = context;
    this.#info = info;
    this.name = info.name;
    this.owner = info.owner;
    this.config = info.config;
    this.setAside = info.setAside;
    this.note = info.note;
  }

  /** How often whoever trains it by hand was told that something was lost. */
  get losses(): number {
    return this.#losses;
  }

  /** How many parameters train, in PEFT's words: shows itself as one line. */
  summary(): TrainableSummary {
    return new TrainableSummary(this.#info);
  }

  /** The adapter's parameters, named as in its files. */
  parameters(): readonly ParameterInfo[] {
    return this.#info.parameters;
  }

  /** How it stands now: steps taken, ranks left, where it was loaded from, whether it is merged. */
  async info(options: Abortable = {}): Promise<AdapterInfo> {
    return this.#context.engine.call("adapterInfo", this.#target(), onlySignal("info", options));
  }

  /**
   * What is answered without this adapter, greedily, in the questions' order. Each question is put once for as long as the
   * model's files stay, so these are the answers that the reports of knowledge books tell.
   */
  async baseAnswers(questions: readonly string[], options: BaseAnswersOptions = {}): Promise<readonly string[]> {
    const { signal, onDone } = options ?? {};
    const found = faultsOf({ questions, signal, onDone });
    refuseUnknown("baseAnswers", options, ["signal", "onDone"], found);
    const breadth = breadthOf(parameterCount(this.#context.info.config));
    const examiner = new Examiner(this.#context, refOf(this), breadth);
    const answers = await examiner.base(questions, { signal, onProgress: ({ done }) => onDone?.(done) });
    return questions.map((question) => answers.get(question)?.text ?? "");
  }

  /**
   * Loss and gradients of one batch: rows, a batch of a data set, or token ids with labels. Nothing is changed.
   * @throws GlmError "data-invalid" for rows that cannot be learnt
   */
  async gradients(batch: RowBatch | Rows | Batch, options: GradientOptions = {}): Promise<GradientStep> {
    const { signal } = options ?? {};
    const { seed, gradientCheckpointing, ...limits } = complete(
      "gradients",
      gradientRules,
      options,
      ["signal"],
      faultsOf({ signal }),
    );
    const encoded = this.#encode(batch, limits);
    const cut = cutOf(encoded);
    const params = { ...this.#target(), batch: encoded, seed, gradientCheckpointing };
    const { loss, tokens, handle } = await this.#training(
      this.#context.engine.call("gradients", params, cellSignal(signal)),
    );
    const gradients = new Gradients(this.#context.engine, this.#context.info.key, handle);
    return { loss, tokens, gradients, ...(cut.rows === 0 ? {} : { cut }) };
  }

  /** One step of an optimiser; call `optimizer.step(adapter, gradients)`. */
  async optimize(
    step: {
      readonly id: string;
      readonly config: OptimizerConfig;
      readonly gradients: readonly Gradients[];
      /** Steps that it has taken with this adapter, as far as its user knows. */
      readonly taken: number;
    } & Abortable,
  ): Promise<StepResult> {
    const handles = step.gradients.map(({ handle }) => handle);
    const params = { ...this.#target(), optimizer: step.id, config: step.config, handles, taken: step.taken };
    const result = await this.#training(this.#context.engine.call("optimizerStep", params, cellSignal(step.signal)));
    for (const used of step.gradients) used.spent();
    const { gradientNorm, step: taken, ranks } = result;
    return { gradientNorm, step: taken, ...(ranks === undefined ? {} : { ranks }) };
  }

  /** The adapter's tensors, named as in its files. */
  async read(options: Abortable = {}): Promise<AdapterTensors> {
    return this.#context.engine.call("readAdapter", this.#target(), onlySignal("read", options));
  }

  /**
   * Gives the adapter other values.
   * @throws GlmError "adapter-invalid" when a name or a shape does not fit; nothing is changed then
   */
  async write(tensors: AdapterTensors, options: Abortable = {}): Promise<void> {
    const asked = onlySignal("write", options, faultsOf({ tensors }));
    await this.#context.engine.call("writeAdapter", { ...this.#target(), tensors }, asked);
  }

  /**
   * Trains on rows, as it is read: `for await (const event of adapter.fit(rows)) ...`; without a loop nothing happens. Leaving the
   * loop or interrupting the cell keeps the last finished step. Where the runtime is lost meanwhile, training goes on in the next one
   * from its last checkpoint, which a further "start" event tells. With `engine: "torchrun"` it is trained by PEFT in processes of
   * their own, on the machines that `hosts` names, and what they trained comes back into this adapter.
   * @throws GlmError "option-invalid" at once, also for what differs from a run that is to go on; "data-invalid" or "loss-not-finite"
   * while it runs
   */
  fit(data: Rows, settings: FitSettings = {}): AsyncGenerator<FitEvent, void, void> {
    const { job, divided, ...params } = this.#request("fit", data, settings);
    const { signal } = settings ?? {};
    if (job) {
      const runOf = (): JobRun => this.#jobRun(signal);
      return (async function* run() {
        const { fitOnMachines } = await import("./torchrun.ts");
        yield* fitOnMachines(runOf(), job);
      })();
    }
    const [{ engine }, target] = [this.#context, this.#target()];
    // The cell that reads is the cell that can interrupt, so its signal is looked up when reading begins.
    return (async function* run() {
      const cell = cellSignal(signal);
      const { sent, release } = await sendRows(divided);
      try {
        yield* unbrokenFit(engine, { ...target, ...params, ...sent }, cell);
      } finally {
        release();
      }
    })();
  }

  /**
   * Watches a job that `fit` with `engine: "torchrun"` began, from its first event on: after a restart, or from another notebook. What it
   * trained comes into this adapter when it ends.
   * @param folder of the job, as the event `start` tells it
   * @throws GlmError "option-invalid" when there is no job of this adapter, "adapter-changed" when it was trained here meanwhile
   */
  attachJob(folder: string, options: AttachOptions = {}): AsyncGenerator<FitEvent, void, void> {
    const { signal, detach } = options ?? {};
    const found = faultsOf({ folder, signal });
    const rules = { detach: jobRules.detach };
    const { detach: stays } = complete<Pick<JobOptions, "detach">>("attachJob", rules, { detach }, [], found);
    refuseUnknown("attachJob", options, ["signal", "detach"]);
    const runOf = (): JobRun => this.#jobRun(signal);
    return (async function* run() {
      const { attachToJob } = await import("./job-watch.ts");
      yield* attachToJob(runOf(), folder, stays);
    })();
  }

  #jobRun(signal: AbortSignal | undefined): JobRun {
    return { context: this.#context, adapter: refOf(this), signal: cellSignal(signal).signal };
  }

  /**
   * Trains as `fit` does, in the runtime, which goes on when the notebook is closed, and after a restart: `attach` watches it. With
   * `engine: "torchrun"` it is a job of processes of their own, which go on as well.
   * @returns how it stands when it has begun
   * @throws GlmError as `fit`, "adapter-invalid" while it is being trained, "unsupported" where the model is in this process
   */
  async startFit(data: Rows, settings: FitSettings = {}): Promise<RunInfo> {
    const { job, divided, ...params } = this.#request("startFit", data, settings);
    if (job) {
      const { startOnMachines } = await import("./torchrun.ts");
      return startOnMachines(this.#jobRun(settings?.signal), job);
    }
    if (this.#context.isInThisProcess) {
      throw new GlmError(
        "unsupported",
        "startFit: expected a model in a runtime, which goes on when the notebook is closed, got one in this process, which ends with it. " +
          "Load it without runtime none (--runtime none), or train with fit.",
      );
    }
    const { sent, release } = await sendRows(divided);
    // Once it has begun, the runtime has what it needs.
    return this.#context.engine
      .call("startRun", { ...this.#target(), ...params, ...sent }, cellSignal(settings?.signal))
      .finally(release);
  }

  /**
   * What the adapter's run has told, from its start, and tells until it is over; how one ended that was over before, `run` says. To
   * leave the loop does nothing to the run. What a job (`engine: "torchrun"`) has trained comes into the adapter when it is over, if it is
   * not there yet.
   * @throws GlmError "data-invalid" when it has had none, or whatever the run fails with meanwhile
   */
  attach(options: Abortable = {}): AsyncGenerator<FitEvent, void, void> {
    const asked = onlySignal("attach", options);
    const [{ engine }, target] = [this.#context, this.#target()];
    const runOf = (): JobRun => this.#jobRun(options?.signal);
    return (async function* watch() {
      const run = await engine.call("run", target, asked);
      if (run?.engine !== "torchrun") yield* engine.stream("watchRun", target, asked);
      else yield* (await import("./job-watch.ts")).attachToJob(runOf(), run.folder, true);
    })();
  }

  /** How its run of training stands, the last one where none runs; undefined when it has had none. */
  async run(options: Abortable = {}): Promise<RunInfo | undefined> {
    return (await this.#context.engine.call("run", this.#target(), onlySignal("run", options))) ?? undefined;
  }

  /**
   * Ends its run after the step that is under way, which is kept, wherever it was begun. What a job has trained comes into the adapter, also
   * of one that has ended by itself.
   * @throws GlmError "data-invalid" when none runs
   */
  async stopFit(options: Abortable = {}): Promise<RunInfo> {
    const asked = onlySignal("stopFit", options);
    const run = await this.run(options);
    const isJob = run?.engine === "torchrun" && (run.state === "running" || run.taken === false);
    if (!isJob) return this.#context.engine.call("stopRun", this.#target(), asked);
    const { stopJob } = await import("./job-watch.ts");
    await stopJob(this.#jobRun(options?.signal), run.folder);
    return (await this.run(options)) as RunInfo;
  }

  /** What is asked of a run; of a job, as that needs it. */
  #request(subject: string, data: Rows, settings: FitSettings): FitRequest & { readonly job: JobRequest | undefined } {
    const { engine, ...options } = completeJob(settings);
    const request = fitRequest(subject, this.#context, data, withoutJob(settings));
    const { divided, options: fit, resume = false } = request;
    return { ...request, job: engine === "torchrun" ? { ...divided, fit, options, resume } : undefined };
  }

  /**
   * Writes the adapter's files, adapter_config.json and adapter_model.safetensors: PEFT's where PEFT has the method, else ours.
   * @throws GlmError "option-invalid" for a format that the method has not, or a folder with files of another adapter or a model, "disk" when they cannot be written
   */
  async save(folder: string, options: AdapterSaveOptions = {}): Promise<void> {
    const { signal, format, replace = false } = options ?? {};
    refuseUnknown("save", options, ["format", "replace", "signal"], faultsOf({ folder, format, replace, signal }));
    const form = format === undefined ? {} : { format };
    const params = { ...this.#target(), folder: resolve(folder), ...form, ...(replace ? { replace } : {}) };
    await this.#context.engine.call("saveAdapter", params, cellSignal(signal));
  }

  /**
   * From now on, the model answers as with this adapter when no adapter is named, in this notebook; as with all of them, when several
   * are merged. `unmerge` takes it back.
   */
  async merge(options: Abortable = {}): Promise<void> {
    await this.#context.engine.call("mergeAdapter", this.#target(), onlySignal("merge", options));
    this.#context.merged = [...this.#unmerged(), refOf(this)];
  }

  /**
   * Takes a merge back: the model answers as before when no adapter is named, and the adapter can be trained again.
   * @throws GlmError "adapter-invalid" when it is not merged
   */
  async unmerge(options: Abortable = {}): Promise<void> {
    const asked = onlySignal("unmerge", options);
    const isListed = this.#context.merged.some((one) => sameAdapter(this, one));
    // Another notebook may have taken it back, or a runtime that was lost have forgotten it: then it is only listed here.
    const { merged } = await this.#context.engine.call("adapterInfo", this.#target(), asked);
    if (merged || !isListed) await this.#context.engine.call("unmergeAdapter", this.#target(), asked);
    this.#context.merged = this.#unmerged();
  }

  /** Deletes the adapter, also from the disk; files it was saved to stay. */
  async dispose(options: Abortable = {}): Promise<void> {
    await this.#context.engine.call("disposeAdapter", this.#target(), onlySignal("dispose", options));
    this.#context.merged = this.#unmerged();
  }

  /** The other adapters that are merged. */
  #unmerged(): readonly AdapterRef[] {
    return this.#context.merged.filter((one) => !sameAdapter(this, one));
  }

  /** What a loop of one's own asks; notes that its user is told of a loss. */
  async #training<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof GlmError && error.code === "runtime-lost") this.#losses += 1;
      throw error;
    }
  }

  #target(): { readonly model: string; readonly adapter: AdapterRef } {
    return { model: this.#context.info.key, adapter: refOf(this) };
  }

  #encode(batch: RowBatch | Rows | Batch, options: EncodeOptions): Batch {
    if (typeof batch === "object" && batch !== null && "inputIds" in batch) {
      refuse("gradients", faultsOf({ batch }));
      return batch;
    }
    const { info, tokenizer } = this.#context;
    return encodeForModel(batchRows(batch), rowWriter(info.family, tokenizer), options, info.config);
  }
}

const { maxLength, maxPromptLength, learnRole, gradientCheckpointing } = defaults.fit;
const gradientRules = { ...defaults.seed, maxLength, maxPromptLength, learnRole, gradientCheckpointing };
