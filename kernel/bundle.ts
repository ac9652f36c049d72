/** @file A value as Jupyter shows it. */
import { inspect } from "node:util";
import type { MimeBundle } from "../src/ambient.ts";

const DISPLAY = Symbol.for("Jupyter.display");

/** What `[Symbol.for("Jupyter.display")]()` returns, which may be a promise; else the text that Node's REPL shows. */
export async function toBundle(value: unknown): Promise<MimeBundle> {
  if (hasDisplay(value)) return await value[DISPLAY]();
  return { "text/plain": inspect(value) };
}

function hasDisplay(value: unknown): value is { [DISPLAY](): MimeBundle | Promise<MimeBundle> } {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof (value as { [DISPLAY]?: unknown })[DISPLAY] === "function";
}
