/** @file Several files of a model at the same time: one process fetches, the others wait for it; what is there stays. */
import { dirname } from "node:path";
import { byteSize } from "../byte-size.ts";
import { GlmError } from "../errors.ts";
import { freeBytes, makeFolder, onDisk } from "../files.ts";
import { waitForLock } from "../folder-lock.ts";
import type { FolderLock } from "../lock.ts";
import type { Client } from "./client.ts";
import { noRoom } from "./errors.ts";
import type { CacheSnapshot, Hub, ModelRef, RemoteFile, Unchecked } from "./hub.ts";
import { type OnProgress, Tally } from "./progress.ts";
import { fetchFile, sizeOf } from "./transfer.ts";

export interface DownloadTask {
  readonly hub: Hub;
  readonly client: Client;
  readonly model: ModelRef;
  readonly commit: string;
  readonly snapshot: CacheSnapshot;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal | undefined;
}

/** Files that are fetched at the same time: one connection is often slower than the line. */
const STREAMS = 4;

export class Download {
  readonly #task: DownloadTask;
  #turn: FolderLock | undefined;
  readonly #stop = (): void => this.#turn?.end();

  constructor(task: DownloadTask) {
    this.#task = task;
    // At once, and not when everything has settled: this thread may be ended before.
    task.signal?.addEventListener("abort", this.#stop, { once: true });
  }

  /** Lets others go on. */
  end(): void {
    this.#task.signal?.removeEventListener("abort", this.#stop);
    this.#stop();
  }

  /** Those of the files that are not in the snapshot as the hub has them. What nobody has compared is read through, once. */
  async missing(files: readonly RemoteFile[]): Promise<readonly RemoteFile[]> {
    let states = await this.#states(files);
    if (states.some((state) => typeof state === "object")) {
      await this.#tryLock(files);
      // Whoever had the turn before may have compared them.
      states = await this.#check(await this.#states(files));
    }
    return files.filter((_, at) => states[at] !== true);
  }

  /** Puts files in the snapshot that are not there. */
  async get(files: readonly RemoteFile[]): Promise<void> {
    if ((await this.missing(files)).length === 0) return;
    await this.#tryLock(files);
    // Whoever had the turn before may have fetched them.
    const missing = await this.#described(await this.missing(files));
    if (missing.length === 0) return;
    const { snapshot, onProgress } = this.#task;
    for (const file of missing) {
      const folder = dirname(snapshot.partial(file));
      await onDisk(folder, 0, () => makeFolder(folder));
    }
    const sizes = await Promise.all(missing.map((file) => sizeOf(snapshot.partial(file))));
    const there = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const total = missing.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    await this.#checkRoom(total - there);
    const tally = new Tally(onProgress, there, total);
    try {
      await this.#inStreams(missing, (file, signal) => this.#fetch(file, tally, signal));
    } catch (error) {
      if (!isFullDisk(error)) throw error;
      // Somebody else has filled it meanwhile.
      throw await this.#noRoom(total - tally.done, error);
    }
  }

  async #fetch(file: RemoteFile, tally: Tally, signal: AbortSignal): Promise<void> {
    const { hub, client, model, commit, snapshot } = this.#task;
    const transfer = {
      url: hub.url(model, commit, file.path),
      file,
      partial: snapshot.partial(file),
      refusal: (reply: Parameters<Hub["refusal"]>[0]) => hub.refusal(reply, model),
      onBytes: (count: number) => tally.add(count),
    };
    await fetchFile(client, transfer, signal);
    await snapshot.put(file);
  }

  async #states(files: readonly RemoteFile[]): Promise<readonly (boolean | Unchecked)[]> {
    const states: (boolean | Unchecked)[] = [];
    for (const file of files) {
      this.#task.signal?.throwIfAborted();
      states.push(await this.#task.snapshot.state(file));
    }
    return states;
  }

  async #check(states: readonly (boolean | Unchecked)[]): Promise<readonly boolean[]> {
    const { onProgress, signal } = this.#task;
    const total = states.reduce((sum, state) => sum + (typeof state === "object" ? state.bytes : 0), 0);
    const tally = new Tally(onProgress, 0, total, "checking files");
    const checked: boolean[] = [];
    for (const state of states) {
      const reading = { onBytes: (count: number) => tally.add(count), signal };
      checked.push(typeof state === "object" ? await state.check(reading) : state);
    }
    return checked;
  }

  /** With what the listing left out; some of them are then found to be there. */
  async #described(files: readonly RemoteFile[]): Promise<readonly RemoteFile[]> {
    const { hub, client, model, commit, signal } = this.#task;
    const described = await Promise.all(files.map((file) => hub.describe(client, model, commit, file, signal)));
    return described.every((file, at) => file === files[at]) ? files : this.missing(described);
  }

  async #tryLock(files: readonly RemoteFile[]): Promise<void> {
    const { snapshot, signal, onProgress } = this.#task;
    if (this.#turn) return;
    const total = files.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    const waiting = async (): Promise<void> => {
      const sizes = files.map(async (file) => (await sizeOf(snapshot.path(file))) || sizeOf(snapshot.partial(file)));
      const there = (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
      onProgress("waiting for another download of it", there, total);
    };
    this.#turn = await waitForLock(snapshot.turns, waiting, signal).catch((error: unknown) => {
      // A cache that cannot be written to may have everything; if not, writing says so.
      if (error instanceof GlmError && error.code === "disk") return undefined;
      throw error;
    });
  }

  async #checkRoom(needed: number): Promise<void> {
    const free = await freeBytes(this.#task.client.settings.cache);
    if (free !== undefined && needed > free) throw await this.#noRoom(needed);
  }

  async #noRoom(needed: number, cause?: unknown): Promise<GlmError> {
    const { client, hub, model } = this.#task;
    const free = await freeBytes(client.settings.cache);
    return noRoom(model, client.settings, hub.cacheVariable, byteSize(needed), byteSize(free ?? 0), cause);
  }

  /** Runs a few at a time. The first that fails stops the others; when this settles, none runs any more. */
  async #inStreams(
    files: readonly RemoteFile[],
    work: (file: RemoteFile, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const outer = this.#task.signal;
    const failed = new AbortController();
    const signal = outer ? AbortSignal.any([outer, failed.signal]) : failed.signal;
    const queue = [...files];
    const stream = async (): Promise<void> => {
      for (let file = queue.shift(); file; file = queue.shift()) await work(file, signal);
    };
    const streams = Array.from({ length: STREAMS }, () =>
      stream().catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
    await Promise.allSettled(streams);
    await Promise.all(streams);
  }
}

function isFullDisk(error: unknown): boolean {
  const cause = error instanceof GlmError && error.code === "disk" ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && (cause.code === "ENOSPC" || cause.code === "EDQUOT");
}
