/**
 * @file What an engine's client and its server say to each other, over threads and sockets alike.
 *
 * The client greets, the server welcomes it or refuses. Then the client asks under ids of its own choosing, and every
 * id is answered by exactly one `result`, `end` or `error`; a stream's events come before that, never more of them
 * than the client has given credit for.
 */

import type { CallName, Calls, StreamName, Streams } from "../engine/engine.ts";
import { type ErrorCode, GlmError } from "../errors.ts";
import { version } from "../version.ts";

/** Raised with every change that makes old and new sides misunderstand each other. */
export const PROTOCOL = 8;

/** The greeting keeps its form in every version, so that any two can tell that they differ. */
export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
}

export type CallMessage<M extends CallName = CallName> = {
  [K in M]: { readonly type: "call"; readonly id: number; readonly method: K; readonly params: Calls[K]["params"] };
}[M];

export type StreamMessage<M extends StreamName = StreamName> = {
  [K in M]: {
    readonly type: "stream";
    readonly id: number;
    readonly method: K;
    readonly params: Streams[K]["params"];
    /** How many events may be sent before the client asks for more. */
    readonly credit: number;
  };
}[M];

export type ClientMessage =
  | Hello
  | CallMessage
  | StreamMessage
  | { readonly type: "more"; readonly id: number; readonly credit: number }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "status"; readonly id: number }
  | { readonly type: "bye" };

export type ServerMessage =
  | { readonly type: "welcome"; readonly protocol: number; readonly version: string; readonly pid: number }
  | { readonly type: "refused"; readonly error: ErrorMessage }
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | { readonly type: "event"; readonly id: number; readonly value: unknown }
  | { readonly type: "end"; readonly id: number }
  | { readonly type: "error"; readonly id: number; readonly error: ErrorMessage };

/**
 * A server's message. Its value is whatever was asked for.
 * @throws Error when it is none
 */
export function serverMessage(value: unknown): ServerMessage {
  const message = (typeof value === "object" && value !== null ? value : {}) as Partial<Record<string, unknown>>;
  const { type, id, error } = message;
  const answers = type === "result" || type === "event" || type === "end" || type === "error";
  const fails = type === "refused" || type === "error";
  const isError = typeof error === "object" && error !== null && "name" in error && "message" in error;
  const isWhole = (!answers || Number.isSafeInteger(id)) && (!fails || isError);
  if (isWhole && (answers || fails || type === "welcome")) return value as ServerMessage;
  throw new Error("expected an answer of a glmlab runtime, got something else");
}

/** An error on its way: enough to tell errors apart and to explain them on the other side. */
export interface ErrorMessage {
  readonly name: string;
  readonly message: string;
  readonly code?: ErrorCode;
  readonly stack?: string;
}

export function hello(): Hello {
  return { type: "hello", protocol: PROTOCOL, version, pid: process.pid };
}

/** Why a client cannot be served, or undefined when it can. */
export function refusal(client: Hello): GlmError | undefined {
  if (client.protocol === PROTOCOL && client.version === version) return undefined;
  return new GlmError(
    "runtime-unreachable",
    `The running glmlab runtime (process ${process.pid}) is version ${version} and was asked by version ${client.version}. ` +
      "Run `glmlab runtime stop` (or `%runtime stop`): the next load starts one of the right version. Adapters are on disk and stay.",
  );
}

export function toWire(error: unknown): ErrorMessage {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(error instanceof GlmError ? { code: error.code } : {}),
  };
}

/**
 * The error again. Call it where the error is to be thrown: its stack then leads to whoever asked. What is not the
 * user's to put right also tells where it happened on the other side.
 */
export function fromWire(wire: ErrorMessage): Error {
  if (wire.code !== undefined) return new GlmError(wire.code, wire.message);
  if (wire.name === "AbortError") return new DOMException(wire.message, "AbortError");
  const error = new Error(wire.message);
  error.name = wire.name;
  if (wire.stack !== undefined) error.stack = `${error.stack}\n  on the engine's side: ${wire.stack}`;
  return error;
}
