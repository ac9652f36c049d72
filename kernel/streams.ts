/** @file What a cell prints through the process's own streams (console.log, a library) goes to its notebook. */
import { StringDecoder } from "node:string_decoder";
import { ambient, type Frontend } from "../src/ambient.ts";

type StreamName = "stdout" | "stderr";

/** The bytes of a character may come one by one: each stream of each cell has a decoder that waits for the rest. */
const decoders: Readonly<Record<StreamName, WeakMap<Frontend, StringDecoder>>> = {
  stdout: new WeakMap(),
  stderr: new WeakMap(),
};

/**
 * From now on what is written to stdout and stderr goes to the cell that wrote it, or to `otherwise` when that is not
 * known. Before the first cell it goes where it always went.
 */
export function captureStreams(otherwise: () => Frontend | undefined): void {
  capture("stdout", otherwise);
  capture("stderr", otherwise);
}

/** Writes what is left of a character whose other bytes never came: at the end of a cell. */
export function flushStreams(frontend: Frontend): void {
  for (const name of ["stdout", "stderr"] as const) {
    const rest = decoders[name].get(frontend)?.end();
    if (rest) frontend.write(rest, name);
  }
}

function capture(name: StreamName, otherwise: () => Frontend | undefined): void {
  const stream = process[name];
  const original = stream.write.bind(stream) as (...parameters: unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const frontend = ambient().frontend ?? otherwise();
    if (!frontend) return original(chunk, ...rest);
    const text = decode(frontend, name, chunk, rest[0]);
    if (text !== "") frontend.write(text, name);
    const done = rest.find((parameter) => typeof parameter === "function");
    if (done) process.nextTick(done);
    return true;
  };
}

function decode(frontend: Frontend, name: StreamName, chunk: string | Uint8Array, encoding: unknown): string {
  if (typeof chunk === "string" && !isOfBytes(encoding)) return (decoders[name].get(frontend)?.end() ?? "") + chunk;
  let decoder = decoders[name].get(frontend);
  if (!decoder) {
    decoder = new StringDecoder("utf8");
    decoders[name].set(frontend, decoder);
  }
  return decoder.write(bytes(chunk, encoding));
}

/** Does a string in this encoding stand for bytes, as "hex" does, instead of for its characters? */
function isOfBytes(encoding: unknown): encoding is BufferEncoding {
  return typeof encoding === "string" && Buffer.isEncoding(encoding) && !/^utf-?8$/i.test(encoding);
}

function bytes(chunk: string | Uint8Array, encoding: unknown): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk, encoding as BufferEncoding);
  return ArrayBuffer.isView(chunk) ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.from(chunk);
}
