/** @file Keeps a run on the disk as it goes, so that it can go on after whoever ran it was killed; and finds where it stood. */
import { GlmError } from "../../errors.ts";
import type { FitOptions } from "../../train/fit-options.ts";
import { BEGINNING, type FitProgress, type FitResumed, lengthOf } from "../../train/fitting.ts";
import type { Learner } from "../../train/learner.ts";
import type { FitEvent, FitSets } from "../../train/trainer.ts";
import { MetricsLog, readMetrics } from "./metrics-log.ts";
import type { CheckpointName, RunFolder, RunInput, RunRecord, RunState } from "./run-folder.ts";
import { differences, identityOf } from "./run-identity.ts";

/** Milliseconds between checkpoints, at least. */
const KEEP_EVERY = 5000;

/** What writing them may take of the time, beside the steps that are taken meanwhile. */
const LARGEST_SHARE = 0.1;

/** What is of one part of a run, and not told again when it goes on. */
const UNTOLD: ReadonlySet<FitEvent["type"]> = new Set(["start", "done", "rehearse", "encode"]);

/** The adapter that a run trains. */
export interface Trained {
  readonly name: string;
  /** Steps that it has taken, and changes of its values. */
  readonly steps: number;
  readonly revision: number;
  /** The run that changed it last, by its id, unless something else did since. */
  readonly run: number | undefined;
  /** Told when its values are those of a checkpoint of a run, with the steps that it has taken by then. */
  restored(steps: number, run: number): void;
}

export interface RunOptions {
  /** Goes on with the run that was begun before, if there is one. */
  readonly resume: boolean;
  /** What it needs to go on by itself, where it shall. */
  readonly input?: RunInput | undefined;
  /** Does what is for the disk, between steps that are taken meanwhile. */
  readonly aside: <T>(work: () => Promise<T>) => Promise<T>;
}

export class RunRecorder {
  readonly #folder: RunFolder;
  readonly #trained: Trained;
  readonly #options: RunOptions;
  #record: RunRecord | undefined;
  #log: MetricsLog | undefined;
  /** What was told before, where it goes on. */
  #told: readonly FitEvent[] = [];
  #nextKeep = 0;
  #keeping: Promise<void> = Promise.resolve();
  #isKeeping = false;
  #failure: unknown;

  constructor(folder: RunFolder, trained: Trained, options: RunOptions) {
    this.#folder = folder;
    this.#trained = trained;
    this.#options = options;
  }

  /** By which the adapter knows who changed it. */
  get id(): number | undefined {
    return this.#record?.started;
  }

  /** Whether the run goes on without anybody who reads it. */
  get isDetached(): boolean {
    return this.#options.input !== undefined;
  }

  /** What was told up to the step at which it goes on: nothing where it begins. */
  get told(): readonly FitEvent[] {
    return this.#told;
  }

  /**
   * Begins the run, or gives the learner the state of the one that it goes on with.
   * @throws GlmError "adapter-invalid" while another process trains it, "option-invalid" with all that differs from that, "adapter-changed" when the adapter was changed since,
   * "model-invalid" when what is kept of it is damaged
   */
  async open(encoded: FitSets, options: FitOptions, learner: Learner): Promise<FitResumed | undefined> {
    await this.#folder.take(this.#trained.name);
    try {
      return await this.#open(encoded, options, learner);
    } catch (error) {
      this.#folder.leave();
      throw error;
    }
  }

  async #open(encoded: FitSets, options: FitOptions, learner: Learner): Promise<FitResumed | undefined> {
    const identity = identityOf(encoded, options);
    if (this.#options.resume && (await this.#folder.exists())) {
      const differ = differences(await this.#folder.identity(), identity);
      if (differ.length > 0) throw this.#otherRun(differ);
      return await this.#resume(learner);
    }
    const { steps, epochs } = lengthOf(encoded.taught.length, options);
    const { input } = this.#options;
    this.#record = {
      ...{ state: "running", started: Date.now(), steps, epochs },
      ...{ stepsBefore: this.#trained.steps, revisionBefore: this.#trained.revision },
      detached: input !== undefined,
    };
    await this.#folder.begin(this.#record, identity, input);
    this.#log = await MetricsLog.open(this.#folder.path);
    // Killed before its first checkpoint, it goes on from here.
    await this.keep(learner, "last", BEGINNING, false);
    return undefined;
  }

  async #resume(learner: Learner): Promise<FitResumed> {
    const before = await this.#folder.record();
    const { name, revision, run } = this.#trained;
    // Of one that was killed, nobody wrote what its adapter was in the end: the adapter's own file says who changed it last.
    const isAsItWas =
      before.revision === undefined
        ? run === before.started || revision === before.revisionBefore
        : revision === before.revision;
    if (!isAsItWas) {
      throw new GlmError(
        "adapter-changed",
        `${name} was changed since its run ended, and to go on with that run would lose the change. Train it without resume ` +
          `(--resume), which begins a new run from what it is now.`,
      );
    }
    const last = await this.#folder.checkpoint("last");
    const { progress } = last;
    let best: FitResumed["best"];
    if (progress.best && (await this.#folder.has("best"))) {
      const kept = await this.#folder.checkpoint("best");
      // A better one may have been kept after the last checkpoint: it is found again.
      if (kept.progress.step <= progress.step) {
        await learner.adopt(kept);
        best = await learner.snapshot("values");
      }
    }
    await learner.adopt(last);
    this.#trained.restored(before.stepsBefore + progress.step, before.started);
    const events = await readMetrics(this.#folder.path, progress.step);
    this.#told = events.filter(({ type }) => !UNTOLD.has(type)).map(({ time: _, ...event }) => event);
    this.#log = await MetricsLog.open(
      this.#folder.path,
      events.filter(({ type }) => type !== "done"),
    );
    const { revision: _, why: __, ...record } = before;
    const { input } = this.#options;
    if (input) await this.#folder.keepInput(input);
    this.#record = {
      ...record,
      state: "running",
      detached: input !== undefined || record.detached,
      resumedAt: progress.step,
    };
    await this.#folder.write(this.#record);
    return { progress, ...(best ? { best } : {}) };
  }

  #otherRun(differ: readonly string[]): GlmError {
    return new GlmError(
      "option-invalid",
      `resume: expected the rows and options of the run of ${this.#trained.name} that is to go on; but ${differ.join("; ")}. ` +
        "Give the same, or leave resume (--resume) out to begin a new run from what the adapter is now.",
    );
  }

  /** Takes note of an event; what is told again when a run goes on was noted before. */
  add(event: FitEvent): void {
    if (event.type !== "start" || event.from === undefined) this.#log?.add(event);
  }

  /**
   * Keeps a checkpoint: at once where that is urgent, else when the last one is some time ago.
   * @throws GlmError "disk" when it, or the one before, could not be written
   */
  async keep(learner: Learner, name: CheckpointName, progress: FitProgress, isUrgent: boolean): Promise<void> {
    if (!this.#record) return;
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    if (!isUrgent && (this.#isKeeping || performance.now() < this.#nextKeep)) return;
    const state = await learner.state();
    const written = this.#keeping.catch(() => undefined).then(() => this.#write(name, state, progress));
    this.#keeping = written;
    if (isUrgent) return written;
    this.#keeping = written.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async #write(
    name: CheckpointName,
    state: Awaited<ReturnType<Learner["state"]>>,
    progress: FitProgress,
  ): Promise<void> {
    this.#isKeeping = true;
    const begun = performance.now();
    try {
      await this.#options.aside(async () => {
        // What was told up to a checkpoint is never less than the checkpoint.
        await this.#log?.flush();
        await this.#folder.keep(name, state, progress);
      });
    } finally {
      this.#isKeeping = false;
      const took = performance.now() - begun;
      this.#nextKeep = performance.now() + Math.max(KEEP_EVERY, took / LARGEST_SHARE);
    }
  }

  /**
   * The run has ended.
   * @throws GlmError "disk" when that cannot be written
   */
  async end(state: Exclude<RunState, "running">, why?: string): Promise<void> {
    if (!this.#record) return;
    await this.#keeping.catch(() => undefined);
    await this.#log?.flush();
    const { revision } = this.#trained;
    this.#record = { ...this.#record, state, revision, ...(why === undefined ? {} : { why }) };
    await this.#folder.write(this.#record).finally(() => this.#folder.leave());
  }

  /** Whoever ran it is told to end: it is left as it was after its last checkpoint. */
  async leave(): Promise<void> {
    if (!this.#record) return;
    await this.#keeping.catch(() => undefined);
    await this.#log?.flush().finally(() => this.#folder.leave());
  }
}
