/** @file How far a download is, over all its files, told a few times a second. */

/** What is being done, and how much of it: in bytes. */
export type OnProgress = (stage: string, done: number, total: number) => void;

const INTERVAL_MS = 100;

export class Tally {
  readonly #onProgress: OnProgress;
  readonly #stage: "downloading" | "checking files";
  readonly #total: number;
  #done: number;
  #told = Number.NEGATIVE_INFINITY;

  /** @param done bytes that are there already */
  constructor(
    onProgress: OnProgress,
    done: number,
    total: number,
    stage: "downloading" | "checking files" = "downloading",
  ) {
    this.#onProgress = onProgress;
    this.#stage = stage;
    this.#done = done;
    this.#total = total;
    this.#tell();
  }

  get done(): number {
    return this.#done;
  }

  add(bytes: number): void {
    this.#done += bytes;
    if (performance.now() - this.#told >= INTERVAL_MS || this.#done === this.#total) this.#tell();
  }

  #tell(): void {
    this.#told = performance.now();
    // Everything has come, and its checksums take a while.
    const hasCome = this.#stage === "downloading" && this.#done >= this.#total && this.#total > 0;
    this.#onProgress(hasCome ? "checking the download" : this.#stage, this.#done, Math.max(this.#total, this.#done));
  }
}
