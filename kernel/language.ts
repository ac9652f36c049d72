/** @file The boundary between the Jupyter half of the kernel (sockets, messages, queue) and the language half (cells). */
import type { Frontend, MimeBundle } from "../src/ambient.ts";

/** How a cell ended. An interrupted cell is an error whose name is "Interrupted". */
export type CellOutcome =
  | { status: "ok"; result?: MimeBundle }
  | { status: "error"; name: string; message: string; traceback: string[] };

/** What a cell may use while it runs. `signal` is aborted by an interrupt, `insistence` by the next one. */
export interface CellContext {
  readonly executionCount: number;
  readonly frontend: Frontend;
  readonly signal: AbortSignal;
  readonly insistence: AbortSignal;
  /** The interrupted cell ends in order, which takes its time. */
  endsInOrder(): void;
  /** Asks the user for a line (Jupyter's stdin channel). */
  input(prompt: string, options?: { password?: boolean }): Promise<string>;
}

/** Offsets are UTF-16 code units; the caller converts from and to Jupyter's code points. */
export interface Completion {
  matches: string[];
  start: number;
  end: number;
}

export type Completeness = { status: "complete" | "invalid" | "unknown" } | { status: "incomplete"; indent: string };

/** A language that notebooks are written in. One instance lives in the cell thread for the life of the kernel. */
export interface Language {
  /**
   * Resolves once the cell has ended, always within a second of `signal` being aborted, or of `insistence` where the cell ends in
   * order. Never rejects.
   */
  execute(code: string, context: CellContext): Promise<CellOutcome>;
  /** The same for one expression: its value is the result, also when it is undefined. It declares nothing. */
  evaluate(expression: string, context: CellContext): Promise<CellOutcome>;
  complete(code: string, cursor: number): Completion;
  /** Undefined when there is nothing to say about what is at the cursor. */
  inspect(code: string, cursor: number): MimeBundle | undefined;
  isComplete(code: string): Completeness;
}
