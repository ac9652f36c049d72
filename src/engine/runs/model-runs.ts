/**
 * @file The runs of training of one model's adapters: each is kept on the disk as it goes, can be watched by everybody, goes on
 * without whoever began it where that was asked for, and after whoever ran it was killed.
 */
import type { RowStore } from "../../data/row-store.ts";
import { GlmError } from "../../errors.ts";
import type { FitOptions } from "../../train/fit-options.ts";
import type { FitEvent } from "../../train/trainer.ts";
import type { AdapterInstance } from "../adapter-instance.ts";
import { alone } from "../alone.ts";
import type { AdapterRef, Calls, LoadParams, RunInfo } from "../engine.ts";
import { endedJob, jobInfo } from "./job-run.ts";
import { LiveRun } from "./live-run.ts";
import { readMetrics } from "./metrics-log.ts";
import { RunFolder, type RunInput } from "./run-folder.ts";
import { RunRecorder } from "./run-recorder.ts";

/** What is trained on, and how. */
export interface FitParams {
  readonly rows: RowStore;
  readonly validation: RowStore;
  readonly options: FitOptions;
  /** Goes on with the run before, if there is one. */
  readonly resume?: boolean;
}

/** What runs are made of. */
export interface RunHost {
  /** How the model was loaded. */
  readonly load: LoadParams;
  find(ref: AdapterRef): Promise<AdapterInstance>;
  /** Where an adapter's run is kept. */
  runFolder(ref: AdapterRef): string;
  /** Does what is for the disk, between steps of training. */
  aside<T>(work: () => Promise<T>): Promise<T>;
  /** The owners' adapters that have a folder of a run. */
  withRuns(): Promise<readonly string[]>;
  train(
    adapter: AdapterInstance,
    params: FitParams,
    recorder: RunRecorder,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FitEvent, void, void>;
}

/** A run that is under way. */
interface Recorded {
  readonly params: FitParams;
  readonly live: LiveRun;
  readonly recorder: RunRecorder;
  readonly signal: AbortSignal;
}

/** What ends a run from outside, that is to go on when its model is there again. */
const ENDED_WITH_ITS_MODEL: ReadonlySet<string> = new Set(["adapter-not-found", "model-not-loaded"]);

export class ModelRuns {
  readonly #host: RunHost;
  readonly #live = new Map<AdapterInstance, LiveRun>();
  readonly #detached = new Set<LiveRun>();
  /** Settles when all runs that go on by themselves have begun to. */
  #resumed: Promise<unknown> = Promise.resolve();

  constructor(host: RunHost) {
    this.#host = host;
  }

  /** Runs that go on without anybody who reads them. */
  get detached(): number {
    return this.#detached.size;
  }

  /** A run that goes in step with its reader, and ends when it is abandoned. */
  async *fit(
    adapter: AdapterInstance,
    params: FitParams,
    signal?: AbortSignal,
    input?: RunInput,
  ): AsyncGenerator<FitEvent, void, void> {
    const job = await endedJob(this.#folderOf(adapter.ref), adapter.ref.name);
    if (job !== undefined && params.resume) throw notResumed(adapter.ref, job);
    const abort = new AbortController();
    const either = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
    const live = new LiveRun(() => abort.abort(stopped(adapter.ref)));
    const recorder = new RunRecorder(this.#folderOf(adapter.ref), trainedOf(adapter), {
      resume: params.resume === true,
      input,
      aside: (work) => this.#host.aside(work),
    });
    // Until the run's end is on the disk, too: whoever comes next may delete it.
    yield* alone(adapter, either, () => this.#recorded(adapter, { params, live, recorder, signal: either }));
  }

  async *#recorded(
    adapter: AdapterInstance,
    { params, live, recorder, signal }: Recorded,
  ): AsyncGenerator<FitEvent, void, void> {
    let ended: { readonly error: unknown } | undefined;
    let isDone = false;
    try {
      for await (const event of this.#host.train(adapter, params, recorder, signal)) {
        if (event.type === "start") this.#begin(adapter, live, recorder.isDetached);
        // What comes before the start concerns whoever begins it, and is another time in each part of a run.
        if (event.type !== "encode") {
          recorder.add(event);
          live.tell(event);
        }
        yield event;
        if (event.type !== "start") continue;
        for (const told of recorder.told) {
          live.tell(told);
          yield told;
        }
      }
      isDone = true;
    } catch (error) {
      ended = { error };
      throw error;
    } finally {
      await this.#ended(recorder, isDone, ended?.error, signal).finally(() => {
        this.#detached.delete(live);
        if (this.#live.get(adapter) === live) this.#live.delete(adapter);
        live.end(ended ?? (isDone ? undefined : { error: stopped(adapter.ref) }));
      });
    }
  }

  #begin(adapter: AdapterInstance, live: LiveRun, isDetached: boolean): void {
    this.#live.set(adapter, live);
    if (isDetached) this.#detached.add(live);
  }

  async #ended(recorder: RunRecorder, isDone: boolean, error: unknown, { aborted }: AbortSignal): Promise<void> {
    if (isDone) return recorder.end("done");
    if (error === undefined || aborted) return recorder.end("stopped");
    if (error instanceof GlmError && ENDED_WITH_ITS_MODEL.has(error.code)) return recorder.leave();
    // What ended it is told; that this could not be written, too, is of less use.
    return recorder.end("failed", error instanceof Error ? error.message : String(error)).catch(() => undefined);
  }

  /**
   * Begins a run that goes on by itself.
   * @returns how it stands when it has begun
   * @throws whatever keeps it from beginning
   */
  async start(adapter: AdapterInstance, params: FitParams): Promise<RunInfo> {
    const { rows, validation, options } = params;
    const { hub, ...load } = this.#host.load;
    // A token has no business on the disk; the model's files are here by now.
    const input: RunInput = {
      ...adapter.ref,
      load: { ...load, ...(hub ? { hub: withoutToken(hub) } : {}) },
      ...{ rows, validation, options },
    };
    const events = this.fit(adapter, params, undefined, input);
    for (let first = await events.next(); !first.done && first.value.type !== "start"; ) first = await events.next();
    void drained(events);
    return (await this.#infoOf(adapter)) as RunInfo;
  }

  /** How an adapter's run stands; undefined when it has none. */
  async info(adapter: AdapterInstance): Promise<RunInfo | undefined> {
    await this.#resumed;
    return this.#infoOf(adapter);
  }

  async #infoOf(adapter: AdapterInstance): Promise<RunInfo | undefined> {
    const folder = this.#folderOf(adapter.ref);
    try {
      return await this.#readInfo(adapter, folder);
    } catch (error) {
      if (!(error instanceof GlmError) || error.code !== "model-invalid") throw error;
      const unknown = { step: 0, steps: 0, epochs: 0, started: 0, detached: false };
      return { ...adapter.ref, engine: "local", state: "damaged", ...unknown, folder: folder.path, why: error.message };
    }
  }

  async #readInfo(adapter: AdapterInstance, folder: RunFolder): Promise<RunInfo | undefined> {
    if (!(await folder.exists())) return undefined;
    const record = await folder.record();
    if (record.job !== undefined) return jobInfo(adapter.ref, record, record.job);
    const { state, steps, epochs, started, detached, why } = record;
    const live = this.#live.get(adapter);
    return {
      ...adapter.ref,
      engine: "local",
      state: live || folder.runner() ? "running" : state === "running" ? "interrupted" : state,
      step: live && live.step > 0 ? live.step : ((await folder.progress())?.step ?? 0),
      ...{ steps, epochs, started, detached, folder: folder.path },
      ...(why === undefined ? {} : { why }),
    };
  }

  /**
   * An adapter's run is a job from now on.
   * @throws GlmError "adapter-invalid" while it is being trained, "disk" when that cannot be noted
   */
  async noteJob(
    adapter: AdapterInstance,
    { folder, steps, epochs }: Pick<Calls["noteJob"]["params"], "folder" | "steps" | "epochs">,
  ): Promise<undefined> {
    const kept = this.#folderOf(adapter.ref);
    await adapter.access.idle();
    adapter.access.mustTrain();
    await endedJob(kept, adapter.ref.name);
    const before = { stepsBefore: adapter.steps, revisionBefore: adapter.revision };
    await kept.take(adapter.ref.name);
    try {
      // It goes on, but without whoever resumes runs here.
      const record = { ...before, state: "running", started: Date.now(), steps, epochs, detached: false } as const;
      await kept.beginJob({ ...record, job: folder });
    } finally {
      kept.leave();
    }
  }

  /**
   * What an adapter's run has told from its start, and tells until it is over.
   * @throws GlmError "data-invalid" when it has none
   */
  async *watch(adapter: AdapterInstance, signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    await this.#resumed;
    const live = this.#live.get(adapter);
    if (live) {
      yield* live.watch(signal);
      return;
    }
    const folder = this.#folderOf(adapter.ref);
    if (!(await folder.exists())) throw noRun(adapter.ref);
    for (const { time: _, ...event } of await readMetrics(folder.path)) yield event;
  }

  /**
   * Ends a run after its step.
   * @throws GlmError "data-invalid" when none runs
   */
  async stop(adapter: AdapterInstance): Promise<RunInfo> {
    await this.#resumed;
    const live = this.#live.get(adapter);
    const elsewhere = live ? undefined : this.#folderOf(adapter.ref).runner();
    if (!live) throw noRun(adapter.ref, elsewhere ? `that runs here, not in process ${elsewhere.pid}` : "that runs");
    live.stop();
    await live.over;
    return (await this.#infoOf(adapter)) as RunInfo;
  }

  /**
   * Goes on with runs that went on by themselves when whoever ran them ended.
   * @param report told what kept one from going on
   */
  async resumeAll(report: (why: string) => void): Promise<undefined> {
    this.#resumed = this.#resumeAll(report).catch((error: unknown) => report(String(error)));
    await this.#resumed;
  }

  async #resumeAll(report: (why: string) => void): Promise<void> {
    for (const path of await this.#host.withRuns()) {
      try {
        await this.#resume(new RunFolder(path));
      } catch (error) {
        report(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #resume(folder: RunFolder): Promise<void> {
    const record = await folder.record();
    if (record.state !== "running" || !record.detached || folder.runner()) return;
    const { owner, name, rows, validation, options } = await folder.input();
    const adapter = await this.#host.find({ owner, name });
    if (this.#live.has(adapter)) return;
    const step = (await folder.progress())?.step ?? 0;
    if (record.resumedAt === step) {
      const why = `whoever ran it ended twice after step ${step}, without an error that could be told`;
      await folder.write({ ...record, state: "failed", why });
      return;
    }
    await this.start(adapter, { rows, validation, options, resume: true });
  }

  #folderOf(ref: AdapterRef): RunFolder {
    return new RunFolder(this.#host.runFolder(ref));
  }
}

const withoutToken = ({ settings, ...hub }: NonNullable<LoadParams["hub"]>): NonNullable<LoadParams["hub"]> => {
  if (!settings) return hub;
  const { token: _, ...others } = settings;
  return { ...hub, settings: others };
};

/** Reads to the end: what it fails with is kept with the run. */
async function drained(events: AsyncGenerator<unknown, void, void>): Promise<void> {
  try {
    for await (const _ of events);
  } catch {
    // Watchers are told, and whoever asks how it stands.
  }
}

function trainedOf(adapter: AdapterInstance) {
  return {
    name: adapter.ref.name,
    get steps() {
      return adapter.steps;
    },
    get revision() {
      return adapter.revision;
    },
    get run() {
      return adapter.run;
    },
    restored: (steps: number, run: number) => adapter.wentBackTo(steps, run),
  };
}

const stopped = ({ name }: AdapterRef): GlmError =>
  new GlmError(
    "training-stopped",
    `the run of ${name} was stopped. Its last step is kept; it goes on with resume (--resume).`,
  );

const notResumed = ({ name }: AdapterRef, job: string): GlmError =>
  new GlmError(
    "option-invalid",
    `resume: expected a run of ${name} that was trained here, got a job, in ${job}, which is not taken up again. Leave resume (--resume) out: a new ` +
      `run begins from what ${name} is now. %train attach ${name} brings back what the job trained, where that was not done.`,
  );

const noRun = ({ name }: AdapterRef, which = "of which anything is kept"): GlmError =>
  new GlmError(
    "data-invalid",
    `adapter ${name}: expected a run of training ${which}, got none. Begin one with %%train ${name}, or \`glmlab train\` in a terminal.`,
  );
