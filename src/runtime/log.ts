/** @file The runtime's log: one line an event, with its time; kept small. */
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
} from "node:fs";

/** A log of more bytes than this becomes the old one (`.1`) when the next runtime starts. */
const LARGEST_BYTES = 1_000_000;

export type Log = (line: string) => void;

/** Empties a log that has grown large; its lines move to `.1`. Those who append to it go on in the empty file. */
export function rotateLog(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= LARGEST_BYTES) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
}

/** A log that appends to a file. A full disk does not stop the runtime: the line is then lost. */
export function fileLog(path: string): Log {
  return (line) => {
    try {
      appendFileSync(path, `${new Date().toISOString()} [${process.pid}] ${line}\n`, { mode: 0o600 });
    } catch {
      return;
    }
  };
}

/** The last lines of a file; none when there is no file. */
export function lastLines(path: string, count: number): string[] {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 400 * count));
    readSync(file, tail, 0, tail.length, size - tail.length);
    return tail.toString("utf8").trimEnd().split("\n").slice(-count);
  } finally {
    closeSync(file);
  }
}
