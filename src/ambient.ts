/** @file What surrounds the running cell: its abort signal, its notebook and its front end. Knows nothing of Jupyter. */
import { AsyncLocalStorage } from "node:async_hooks";

/** A value in several representations, keyed by MIME type. JSON types hold objects, all others strings. */
export type MimeBundle = Record<string, unknown>;

/** Where output goes. The kernel implements it with Jupyter messages, a script with the terminal. */
export interface Frontend {
  /** Shows a bundle; with an `id` it can be replaced later by `update`. */
  display(bundle: MimeBundle, options?: { id?: string }): void;
  /** Replaces every display that was shown under this id. */
  update(id: string, bundle: MimeBundle): void;
  /** Appends to the cell's standard output or error. */
  write(text: string, stream?: "stdout" | "stderr"): void;
  /** Removes what the cell has shown so far; with `wait` only when the next output comes (no flicker). */
  clear?(options?: { wait?: boolean }): void;
  /** Shows a bundle in the front end's pager, once the cell has ended. */
  page?(bundle: MimeBundle): void;
}

/** The surroundings of one running cell (or script). */
export interface Ambient {
  /** Aborted when the user interrupts the cell. */
  readonly signal?: AbortSignal;
  /** Identifies the notebook across kernel restarts; adapters belong to it. */
  readonly notebook?: string;
  readonly frontend?: Frontend;
  /** Told of what an interrupted cell must still end in order: the cell is over when that is, or when it is interrupted again. */
  readonly ending?: (work: Promise<unknown>) => void;
}

const storage = new AsyncLocalStorage<Ambient>();

/** Runs `body` (and all it awaits) with the given surroundings. */
export function withAmbient<T>(ambient: Ambient, body: () => T): T {
  return storage.run(ambient, body);
}

/** The surroundings of the code that runs now; empty outside a cell. */
export function ambient(): Ambient {
  return storage.getStore() ?? {};
}

/** Does what must end in order after an interrupt, and keeps the cell waiting for it. */
export function inOrder<T>(work: () => Promise<T>): Promise<T> {
  const ending = work();
  ambient().ending?.(ending);
  return ending;
}

/** The caller's own signal joined with the cell's, or undefined when there is neither. */
export function abortSignal(own?: AbortSignal): AbortSignal | undefined {
  const cell = ambient().signal;
  if (own && cell) return AbortSignal.any([own, cell]);
  return own ?? cell;
}
