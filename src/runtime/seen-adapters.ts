/**
 * @file What a client has seen of its adapters, so that it can tell when a lost runtime took some of it along: an adapter
 * that is read from the disk again is as it was written last, which may be some steps ago.
 */

import { partsOf } from "../engine/adapter-selection.ts";
import type {
  AdapterInfo,
  AdapterRef,
  AdapterSelection,
  CallName,
  Calls,
  GenerateRow,
  StreamName,
  Streams,
} from "../engine/engine.ts";
import { GlmError } from "../errors.ts";

type Method = CallName | StreamName;
type Params<M extends Method> = M extends CallName
  ? Calls[M]["params"]
  : M extends StreamName
    ? Streams[M]["params"]
    : never;

/** Those that make, end or look at an adapter: it need not be as it was. What is done with it next is asked of, anyway. */
const UNCONCERNED: ReadonlySet<Method> = new Set([
  ...([
    "createAdapter",
    "loadAdapter",
    "disposeAdapter",
    "adapterInfo",
    "readDocument",
    "run",
    "stopRun",
    "watchRun",
  ] as const),
]);

interface Seen {
  readonly model: string;
  readonly revision: number;
  /** Whether it was read from the disk since. */
  doubtful: boolean;
}

export class SeenAdapters {
  readonly #seen = new Map<string, Seen>();

  /** Takes note of what an answer says about adapters. */
  note<M extends CallName>(method: M, params: Calls[M]["params"], result: Calls[M]["result"]): void {
    const { model, adapter } = params as { model?: string; adapter?: AdapterSelection };
    // Of several at once, an answer tells nothing.
    if (model === undefined || !adapter || !("name" in adapter)) return;
    const key = keyOf(model, adapter);
    if (method === "disposeAdapter") this.#seen.delete(key);
    const { revision } = (result ?? {}) as { revision?: number };
    // What is in doubt stays so until its user is told.
    if (revision === undefined || (method === "adapterInfo" && this.#seen.get(key)?.doubtful)) return;
    this.#seen.set(key, { model, revision, doubtful: false });
  }

  /** The engine that held this model is gone. */
  doubt(model: string): void {
    for (const seen of this.#seen.values()) if (seen.model === model) seen.doubtful = true;
  }

  /**
   * Compares the adapters that a question names with what was seen of them, once after their engine was lost.
   * @param ask how an adapter stands now
   * @throws GlmError "runtime-lost" when one has lost changes; that is said once, and the next question takes it as it is
   */
  async check<M extends Method>(
    method: M,
    params: Params<M>,
    ask: (model: string, adapter: AdapterRef) => Promise<AdapterInfo>,
  ): Promise<void> {
    if (UNCONCERNED.has(method) || !("model" in params)) return;
    for (const adapter of named(params)) {
      const key = keyOf(params.model, adapter);
      const seen = this.#seen.get(key);
      if (!seen?.doubtful) continue;
      // A run that goes on brings its own values with it.
      if ("resume" in params && params.resume === true) {
        seen.doubtful = false;
        continue;
      }
      const { revision, steps } = await ask(params.model, adapter);
      seen.doubtful = false;
      if (revision === undefined || revision >= seen.revision) continue;
      this.#seen.set(key, { ...seen, revision });
      throw lost(adapter, seen.revision - revision, steps);
    }
  }
}

function named(params: object): AdapterRef[] {
  const { adapter, parts, rows } = params as {
    adapter?: AdapterSelection;
    parts?: AdapterSelection;
    rows?: readonly Partial<GenerateRow>[];
  };
  const ofRows = Array.isArray(rows) ? rows.map((row) => row.adapter) : [];
  // An adapter that is made of others is new: what was seen under its name is gone.
  return [parts ?? adapter, ...ofRows].flatMap((one) => partsOf(one ?? null).map((part) => part.adapter));
}

const keyOf = (model: string, { owner, name }: AdapterRef): string => JSON.stringify([model, owner, name]);

function lost({ name }: AdapterRef, changes: number, steps: number): GlmError {
  return new GlmError(
    "runtime-lost",
    `adapter ${name} is not as you saw it last: the runtime that held it ended before it had written everything. Its last ` +
      `${changes} ${changes === 1 ? "change is" : "changes are"} lost; it is as it was after step ${steps}, and so is what optimisers remember of it. ` +
      "Nothing was done with it now. Ask again to go on from there, or train it again from the start.",
  );
}
