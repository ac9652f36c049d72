/**
 * @file A run of training on the disk, beside the adapter that it trains: what it is of, how it stands, its last and its best
 * checkpoint with what the optimiser remembers. The model's checkpoint is elsewhere, and so are the rows, but for those of a run that
 * goes on by itself.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openRowFile, rowFile } from "../../data/row-file.ts";
import { inMemory, type RowStore } from "../../data/row-store.ts";
import { GlmError } from "../../errors.ts";
import { type FileToWrite, onDisk, replaceFiles, textFile } from "../../files.ts";
import { type Holder, isOfLock, lockHolder, releaseLock, takeLock } from "../../lock.ts";
import { isFile, LARGEST_TEXT, readText } from "../../regular-file.ts";
import type { FitOptions } from "../../train/fit-options.ts";
import type { FitProgress } from "../../train/fitting.ts";
import type { LearnerState } from "../../train/learner.ts";
import { type Json, loadTrainingState, saveTrainingState } from "../../train/training-state.ts";
import { readHeader } from "../../weights/header.ts";
import type { LoadParams } from "../engine.ts";
import { isRunFolder } from "../kept-name.ts";
import type { RunIdentity } from "./run-identity.ts";

/** "running": it runs, or whoever ran it was killed. */
export type RunState = "running" | "stopped" | "failed" | "done";

/** How a run stands. */
export interface RunRecord {
  readonly state: RunState;
  /** Why it failed. */
  readonly why?: string;
  /** Milliseconds since 1970; by which the adapter knows the run, too. */
  readonly started: number;
  readonly steps: number;
  readonly epochs: number;
  /** Steps that the adapter had taken before. */
  readonly stepsBefore: number;
  /** The adapter's revision then. */
  readonly revisionBefore: number;
  /** The adapter's revision when the run ended: another one was changed since. */
  readonly revision?: number;
  /** Whether it goes on without whoever began it. */
  readonly detached: boolean;
  /** The step at which it went on by itself last. */
  readonly resumedAt?: number;
  /** The folder of the job that it is, which has all that is known of it. */
  readonly job?: string;
}

/** All that a detached run needs to go on by itself. */
export interface RunInput {
  readonly owner: string;
  readonly name: string;
  readonly load: LoadParams;
  readonly rows: RowStore;
  readonly validation: RowStore;
  readonly options: FitOptions;
}

export type CheckpointName = "last" | "best";

const FORMAT = "glmlab run 2";
const [RECORD, IDENTITY, INPUT] = ["run.json", "identity.json", "input.json"];
const [ROWS, VALIDATION] = ["rows.jsonl", "validation.jsonl"];

export class RunFolder {
  readonly path: string;
  #record: RunRecord | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Whether a run was begun here.
   * @throws GlmError "model-invalid" when only a part of one is left
   */
  async exists(): Promise<boolean> {
    if (await isFile(join(this.path, RECORD))) return true;
    if (await this.has("last")) throw this.#damaged(RECORD, "none");
    return false;
  }

  /** The process that runs it, if one of this machine does and it is another one. */
  runner(): Holder | undefined {
    const holder = existsSync(this.path) ? lockHolder(this.path) : undefined;
    return holder?.pid === process.pid ? undefined : holder;
  }

  /**
   * Makes this process the one that runs it, until `leave`.
   * @param name of the adapter, for messages
   * @throws GlmError "adapter-invalid" when another does, "disk" when there is no room for its folder
   */
  async take(name: string): Promise<void> {
    await onDisk(this.path, 0, () => mkdir(this.path, { recursive: true, mode: 0o700 }));
    const holder = takeLock(this.path);
    if (!holder || holder.pid === process.pid) return;
    throw trainedElsewhere(name, holder);
  }

  /** Others may run it. */
  leave(): void {
    releaseLock(this.path);
  }

  /**
   * Begins a run in place of one that was here, by whoever has taken it.
   * @throws GlmError "disk" when it cannot be written
   */
  async begin(record: RunRecord, identity: RunIdentity, input?: RunInput): Promise<void> {
    await this.#empty();
    await this.#add([textFile(IDENTITY, JSON.stringify(identity))]);
    if (input) await this.keepInput(input);
    await this.write(record);
  }

  /**
   * Keeps what the run needs to go on by itself.
   * @throws GlmError "disk" when it cannot be written
   */
  async keepInput({ rows, validation, ...settings }: RunInput): Promise<void> {
    await this.#add([
      textFile(INPUT, JSON.stringify(settings)),
      rowFile(ROWS, rows),
      ...(validation.length > 0 ? [rowFile(VALIDATION, validation)] : []),
    ]);
  }

  /**
   * The run is a job now, in place of one that was here, by whoever has taken it.
   * @throws GlmError "disk" when it cannot be written
   */
  async beginJob(record: RunRecord & { readonly job: string }): Promise<void> {
    await this.#empty();
    await this.write(record);
  }

  async #empty(): Promise<void> {
    await onDisk(this.path, 0, async () => {
      for (const name of await readdir(this.path)) {
        if (!isOfLock(name)) await rm(join(this.path, name), { recursive: true, force: true });
      }
    });
    this.#record = undefined;
  }

  /** @throws GlmError "disk" when it cannot be written */
  async write(record: RunRecord): Promise<void> {
    await this.#add([textFile(RECORD, `${JSON.stringify({ format: FORMAT, ...record }, null, 2)}\n`)]);
    this.#record = record;
  }

  /** @throws GlmError "model-invalid" when it is damaged */
  async record(): Promise<RunRecord> {
    if (this.#record) return this.#record;
    const { format, ...record } = await this.#json<RunRecord & { readonly format: string }>(RECORD);
    if (format !== FORMAT) throw this.#damaged(RECORD, `format ${format}`);
    return record;
  }

  identity(): Promise<RunIdentity> {
    return this.#json(IDENTITY);
  }

  /** What a detached run goes on with. */
  async input(): Promise<RunInput> {
    const settings = await this.#json<Omit<RunInput, "rows" | "validation">>(INPUT);
    const validation = join(this.path, VALIDATION);
    return {
      ...settings,
      rows: await openRowFile(join(this.path, ROWS)),
      validation: (await isFile(validation)) ? await openRowFile(validation) : inMemory([]),
    };
  }

  /** @throws GlmError "disk" when it cannot be written; the checkpoint before is then untouched */
  async keep(name: CheckpointName, { values, optimizer }: LearnerState, progress: FitProgress): Promise<void> {
    await saveTrainingState(this.#checkpoint(name), {
      parameters: values,
      optimizer,
      progress: progress as unknown as Json,
    });
  }

  has(name: CheckpointName): Promise<boolean> {
    return isFile(this.#checkpoint(name));
  }

  /** @throws GlmError "model-invalid" when it is damaged */
  async checkpoint(name: CheckpointName): Promise<LearnerState & { readonly progress: FitProgress }> {
    const file = `${name}.safetensors`;
    const { parameters, optimizer, progress } = await loadTrainingState(this.#checkpoint(name)).catch(
      (cause: Error) => {
        throw this.#damaged(file, cause.message, cause);
      },
    );
    if (!isProgress(progress)) throw this.#damaged(file, "no progress of a run");
    return { values: parameters, optimizer, progress };
  }

  /** Where the last checkpoint stands; undefined when there is none. */
  async progress(): Promise<FitProgress | undefined> {
    if (!(await this.has("last"))) return undefined;
    try {
      const { metadata } = await readHeader(this.#checkpoint("last"));
      const progress: unknown = JSON.parse(metadata.progress ?? "null");
      return isProgress(progress) ? progress : undefined;
    } catch (cause) {
      throw this.#damaged("last.safetensors", (cause as Error).message, cause);
    }
  }

  async remove(): Promise<void> {
    await onDisk(this.path, 0, () => rm(this.path, { recursive: true, force: true }));
    this.#record = undefined;
  }

  async #add(files: readonly FileToWrite[]): Promise<void> {
    await replaceFiles(
      this.path,
      files.map((file) => ({ ...file, isPrivate: true })),
    );
  }

  #checkpoint(name: CheckpointName): string {
    return join(this.path, `${name}.safetensors`);
  }

  async #json<T>(name: string): Promise<T> {
    let value: unknown;
    try {
      value = JSON.parse(await readText(join(this.path, name), LARGEST_TEXT));
    } catch (cause) {
      throw this.#damaged(name, (cause as Error).message, cause);
    }
    if (typeof value !== "object" || value === null) throw this.#damaged(name, "something else");
    return value as T;
  }

  #damaged(name: string, got: string, cause?: unknown): GlmError {
    return damagedRun(join(this.path, name), got, cause);
  }
}

export const trainedElsewhere = (name: string, { pid }: Holder): GlmError =>
  new GlmError(
    "adapter-invalid",
    `adapter ${name} is being trained by process ${pid}: expected one run at a time, of an adapter that stays. Wait for it, or end it ` +
      `there (%train stop ${name}, where that is the runtime).`,
  );

export const damagedRun = (path: string, got: string, cause?: unknown): GlmError =>
  new GlmError(
    "model-invalid",
    `${path}: expected a file of a run of training, got ${got.replace(/\.$/, "")}. ` +
      "The run cannot go on; train without resume (--resume), which begins a new one from what the adapter is now.",
    { cause },
  );

/** The folders of runs of one model's adapters, of whatever owners, below the folder in which those are kept. */
export async function runFoldersIn(folder: string): Promise<readonly string[]> {
  const found = (await foldersIn(folder)).map(async (owner) => (await foldersIn(owner)).filter(isRunFolder));
  return (await Promise.all(found)).flat();
}

/** What a folder holds, by its whole paths; nothing where there is none. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.map((name) => join(folder, name));
}

const COUNTS = ["step", "epoch", "stepOfEpoch", "lossTokens", "judged", "stale"] as const;

function isProgress(value: unknown): value is FitProgress {
  if (typeof value !== "object" || value === null) return false;
  const progress = value as Partial<FitProgress>;
  const areCounts = COUNTS.every((name) => Number.isSafeInteger(progress[name]) && Number(progress[name]) >= 0);
  return areCounts && typeof progress.lossSum === "number" && typeof progress.seconds === "number";
}
