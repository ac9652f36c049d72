/** @file What every notebook has from the start: asking the user, and showing a value in the middle of a cell. */
import { ambient } from "../src/ambient.ts";
import { toBundle } from "./bundle.ts";
import { describe } from "./describe.ts";
import { DISPLAY_DECLARATION, displayFunction } from "./display.ts";
import type { CellContext } from "./language.ts";

/** For the compiler, in the form of declarations that cells before the first one would have left behind. */
export const DECLARATIONS: string = `
/** Asks the user for a line of text. */
declare function input(prompt?: string, options?: { password?: boolean }): Promise<string>;
/** Removes what the cell has shown so far; with \`wait\` only when the next output comes, which does not flicker. */
declare function clearOutput(options?: { wait?: boolean }): void;
/** Shows a value in the front end's pager when the cell has ended: help texts, which nobody wants in the notebook. */
declare function page(value: unknown): Promise<void>;
${DISPLAY_DECLARATION}`;

/** The same for the executor. `contextOf` finds the cell that a signal belongs to. */
export function notebookVariables(
  contextOf: (signal: AbortSignal) => CellContext | undefined,
): Record<string, unknown> {
  return {
    input(prompt = "", options?: { password?: boolean }): Promise<string> {
      const { signal } = ambient();
      const context = signal && contextOf(signal);
      if (!context) throw new Error("input() asks in the cell that calls it, but this code belongs to no cell.");
      return context.input(typeof prompt === "string" ? prompt : describe(prompt), {
        password: Boolean(options?.password),
      });
    },
    display: displayFunction(),
    clearOutput(options?: { wait?: boolean }): void {
      ambient().frontend?.clear?.(options);
    },
    async page(value: unknown): Promise<void> {
      ambient().frontend?.page?.(await toBundle(value));
    },
  };
}
