/** @file A progress bar as HTML and as one line of text. */
import type { MimeBundle } from "../../src/ambient.ts";
import { byteSize } from "../../src/byte-size.ts";
import { duration, escapeHtml, grouped } from "./text.ts";

export interface Progress {
  readonly title: string;
  readonly done: number;
  /** 0 when it is not known yet. */
  readonly total: number;
  /** Since it began. */
  readonly seconds: number;
  /** Seconds that it will still take, when that is known better than from what was done since it began. */
  readonly left?: number;
  /** What else there is to say: "loss 0.012". */
  readonly note?: string;
  /** What is counted, when it is no number of steps. */
  readonly unit?: "bytes";
  readonly state: "running" | "done" | "stopped" | "failed";
}

const BLOCKS = 24;
const COLORS = { running: "#1976d2", done: "#388e3c", stopped: "#f57c00", failed: "#d32f2f" } as const;

export function renderProgress(progress: Progress): MimeBundle {
  // A bar is one line, whatever its title names.
  const flat = { ...progress, title: progress.title.replace(/\s+/g, " ").trim() };
  return { "text/plain": plainProgress(flat), "text/html": htmlProgress(flat) };
}

function plainProgress(progress: Progress): string {
  const filled = Math.round(shareOf(progress) * BLOCKS);
  const bar = "█".repeat(filled) + "░".repeat(BLOCKS - filled);
  return [progress.title, bar, ...facts(progress)].join("  ");
}

function htmlProgress(progress: Progress): string {
  const percent = (shareOf(progress) * 100).toFixed(1);
  const track =
    "display:inline-block;vertical-align:middle;width:180px;height:10px;margin:0 12px;border-radius:5px;" +
    "background:rgba(128,128,128,0.25);overflow:hidden";
  const fill = `width:${percent}%;height:100%;background:${COLORS[progress.state]}`;
  const bar = `<span style="${track}"><span style="display:block;${fill}"></span></span>`;
  const said = facts(progress).map(escapeHtml).join(" &nbsp; ");
  return `<div style="font-variant-numeric:tabular-nums;white-space:nowrap">${escapeHtml(progress.title)}${bar}${said}</div>`;
}

function facts({ done, total, seconds, left, note, state, unit }: Progress): readonly string[] {
  const shown = unit === "bytes" ? byteSize : grouped;
  const count = total > 0 ? [`${shown(done)}/${shown(total)}`] : done > 0 ? [shown(done)] : [];
  const expected = left ?? (seconds / done) * (total - done);
  const remaining = done > 0 && total > done && state === "running" ? ` < ${duration(expected)}` : "";
  const ended = state === "stopped" || state === "failed" ? [state] : [];
  return [...count, ...(note === undefined ? [] : [note]), `${duration(seconds)}${remaining}`, ...ended];
}

function shareOf({ done, total, state }: Progress): number {
  if (total <= 0) return state === "done" ? 1 : 0;
  return Math.min(1, Math.max(0, done / total));
}
