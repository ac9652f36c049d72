/** @file Who may change an adapter, and when nobody may any more. */
import { GlmError } from "../errors.ts";

/** What nobody else may interfere with: training that is under way, a change, or the adapter's end. */
interface Run {
  /** For whoever is refused meanwhile: "adapter dream is ...". */
  readonly doing: string;
  /** Given up: it ends at its next step, and can be waited for. */
  readonly signal?: AbortSignal | undefined;
  /** Others wait for it, rather than to be refused. */
  readonly isBrief?: boolean;
  readonly over: Promise<void>;
}

const BEING_TRAINED = "being trained";

export class AdapterAccess {
  readonly #name: string;
  #merged = false;
  /** Why nothing can be changed any more: "it was deleted ..."; undefined while it can. */
  #ended: string | undefined;
  #run: Run | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  get merged(): boolean {
    return this.#merged;
  }

  /** Whether somebody changes it who is soon done. */
  get isBrieflyTaken(): boolean {
    return this.#run?.isBrief === true;
  }

  /**
   * Trains alone: two runs at once would mix their steps, and a merge would be half of each.
   * @param signal that gives the run up
   * @returns what ends the run
   * @throws GlmError "adapter-invalid" when it is being trained already, or is merged
   */
  beginTraining(signal?: AbortSignal): Promise<() => void> {
    return this.#alone(() => {
      this.mustTrain();
      return this.#begin({ doing: BEING_TRAINED, signal });
    });
  }

  /**
   * Keeps others away while it is deleted or another takes its name.
   * @returns what lets them come again, unless it has ended
   * @throws GlmError "adapter-invalid" when it is being trained
   */
  beginEnd(): Promise<() => void> {
    return this.#alone(() => {
      this.mustBeThere();
      return this.#begin({ doing: "being deleted or replaced" });
    });
  }

  /**
   * Makes one change of its values, after those of others who came before.
   * @throws GlmError "adapter-invalid" while it is being trained otherwise, or when it is merged
   */
  async briefly<T>(change: () => Promise<T>): Promise<T> {
    const end = await this.#alone(() => {
      this.mustTrain();
      return this.#begin({ doing: BEING_TRAINED, isBrief: true });
    });
    try {
      return await change();
    } finally {
      end();
    }
  }

  /**
   * Nobody can train it from now on.
   * @returns what takes that back
   * @throws GlmError "adapter-invalid" when it is being trained
   */
  merge(): Promise<() => void> {
    return this.#alone(() => {
      this.mustBeThere();
      const before = this.#merged;
      this.#merged = true;
      return () => {
        this.#merged = before;
      };
    });
  }

  /**
   * It can be trained again.
   * @throws GlmError "adapter-invalid" when it is not merged
   */
  unmerge(): Promise<void> {
    return this.#alone(() => {
      this.mustBeThere();
      if (!this.#merged) {
        throw new GlmError(
          "adapter-invalid",
          `adapter ${this.#name}: it is not merged into the base: there is nothing to take back.`,
        );
      }
      this.#merged = false;
    });
  }

  /**
   * Waits for brief changes, and for training that was given up: whoever interrupted it need not know how long its last
   * step takes.
   * @throws GlmError "adapter-invalid" when it is being trained
   */
  idle(): Promise<void> {
    return this.#alone(() => undefined);
  }

  /** Nothing can be changed from now on. */
  end(why: string): void {
    this.#ended ??= why;
  }

  /** Takes back `end`. */
  reopen(): void {
    this.#ended = undefined;
  }

  /** @throws GlmError "adapter-invalid" when it is being trained */
  mustBeIdle(): void {
    if (!this.#run) return;
    throw new GlmError(
      "adapter-invalid",
      `adapter ${this.#name} is ${this.#run.doing}, here or in another notebook. Wait for it, interrupt it, or use another name.`,
    );
  }

  /** @throws GlmError "adapter-invalid" when it is merged, "adapter-not-found" when it is no longer there */
  mustTrain(): void {
    this.mustBeThere();
    if (!this.#merged) return;
    throw new GlmError(
      "adapter-invalid",
      `adapter ${this.#name}: it is merged into the base and cannot be trained any more. ` +
        `Take that back (%adapter unmerge ${this.#name}, or adapter.unmerge()), or save the merged model, load it, and train a new adapter on it.`,
    );
  }

  /** @throws GlmError "adapter-not-found" when it is no longer there */
  mustBeThere(): void {
    if (this.#ended === undefined) return;
    throw new GlmError("adapter-not-found", `adapter ${this.#name} cannot be changed: ${this.#ended}.`);
  }

  /** Takes it as soon as nobody has it who is soon done: within one turn, or another could come between. */
  async #alone<T>(take: () => T): Promise<T> {
    while (this.#run?.isBrief || this.#run?.signal?.aborted) await this.#run.over;
    this.mustBeIdle();
    return take();
  }

  #begin(run: Omit<Run, "over">): () => void {
    let resolve = (): void => undefined;
    const over = new Promise<void>((done) => {
      resolve = done;
    });
    this.#run = { ...run, over };
    return () => {
      this.#run = undefined;
      resolve();
    };
  }
}
