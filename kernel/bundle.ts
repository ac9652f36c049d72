/** @file A value as Jupyter shows it. */
import type { MimeBundle } from "../src/ambient.ts";
import { attempt, describe } from "./describe.ts";
import { fitBundle, textBundle } from "./mime.ts";

const DISPLAY = Symbol.for("Jupyter.display");

/**
 * What `[Symbol.for("Jupyter.display")]()` returns, which may be a promise, as far as a notebook can hold it; else the
 * text that Node's REPL shows. What cannot be shown is told where the cell prints.
 * @throws what the value's own display throws
 */
export async function toBundle(value: unknown): Promise<MimeBundle> {
  if (hasDisplay(value)) return fitBundle(await value[DISPLAY](), say);
  return textBundle(describe(value));
}

function hasDisplay(value: unknown): value is { [DISPLAY](): unknown } {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  const display = attempt(() => (value as { [DISPLAY]?: unknown })[DISPLAY]);
  return "value" in display && typeof display.value === "function";
}

/** What a display lacks is told where the cell prints. */
export function say(what: string): void {
  process.stderr.write(what);
}
