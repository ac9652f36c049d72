/** @file What a cell prints through the process's own streams (console.log, a library) goes to its notebook. */
import { ambient, type Frontend } from "../src/ambient.ts";

/**
 * From now on what is written to stdout and stderr goes to the cell that wrote it, or to `otherwise` when that is not
 * known. Before the first cell it goes where it always went.
 */
export function captureStreams(otherwise: () => Frontend | undefined): void {
  capture("stdout", otherwise);
  capture("stderr", otherwise);
}

function capture(name: "stdout" | "stderr", otherwise: () => Frontend | undefined): void {
  const stream = process[name];
  const original = stream.write.bind(stream) as (...parameters: unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const frontend = ambient().frontend ?? otherwise();
    if (!frontend) return original(chunk, ...rest);
    frontend.write(text(chunk, rest[0]), name);
    const done = rest.find((parameter) => typeof parameter === "function");
    if (done) process.nextTick(done);
    return true;
  };
}

function text(chunk: string | Uint8Array, encoding: unknown): string {
  if (typeof chunk !== "string") return Buffer.from(chunk).toString("utf8");
  return encoding === "hex" || encoding === "base64" ? Buffer.from(chunk, encoding).toString("utf8") : chunk;
}
