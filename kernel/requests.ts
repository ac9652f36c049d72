/** @file The requests that the cell thread answers: what each holds, how it is read, and what its reply holds. */
import { describe, describeError, isError } from "./describe.ts";
import type { Page } from "./frontend.ts";
import type { Evaluated } from "./userexpressions.ts";
import type { JsonObject } from "./wire.ts";

/** What each request asks, in our names. Cursors still count code points. */
export interface Requests {
  execute_request: ExecuteRequest;
  complete_request: { readonly code: string; readonly cursor: number };
  inspect_request: { readonly code: string; readonly cursor: number };
  is_complete_request: { readonly code: string };
  history_request: HistoryRequest;
  comm_info_request: Record<never, never>;
}

export interface ExecuteRequest {
  readonly code: string;
  /** No output, no history, no count. */
  readonly silent: boolean;
  readonly storeHistory: boolean;
  readonly allowStdin: boolean;
  /** What to evaluate after the cell, by the names that its values have in the reply. */
  readonly userExpressions: JsonObject;
  /** An error aborts the requests that wait already. */
  readonly stopOnError: boolean;
}

export type HistoryRequest = { readonly output: boolean } & (
  | { readonly access: "tail"; readonly count: number }
  | { readonly access: "range"; readonly session: number; readonly start: number; readonly stop: number | undefined }
  | {
      readonly access: "search";
      readonly pattern: string;
      readonly count: number | undefined;
      readonly unique: boolean;
    }
);

/** A line of history; `session` counts back from 0, the current one. */
export type HistoryEntry = readonly [
  session: number,
  line: number,
  text: string | readonly [input: string, output: string | null],
];

/** The content of each reply when all went well. */
export interface Replies {
  execute_request: {
    status: "ok";
    execution_count: number;
    payload: readonly Page[];
    user_expressions: Readonly<Record<string, Evaluated>>;
  };
  complete_request: { status: "ok"; matches: string[]; cursor_start: number; cursor_end: number; metadata: object };
  inspect_request: { status: "ok"; found: boolean; data: object; metadata: object };
  is_complete_request: { status: "complete" | "invalid" | "unknown" } | { status: "incomplete"; indent: string };
  history_request: { status: "ok"; history: HistoryEntry[] };
  comm_info_request: { status: "ok"; comms: Record<string, never> };
}

export type RequestType = keyof Requests;
export type ReplyType<T extends RequestType> = T extends `${infer Name}_request` ? `${Name}_reply` : never;

/** The content of a reply when something went wrong. */
export interface ErrorReply {
  readonly status: "error";
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
  /** Of a cell. */
  readonly execution_count?: number;
}

export function errorReply(error: unknown): ErrorReply {
  const { name, message } = isError(error) ? describeError(error) : { name: "Uncaught", message: describe(error) };
  return { status: "error", ename: name, evalue: message, traceback: describe(error).split("\n") };
}

/** `complete_request` gives `complete_reply`. */
export function replyType<T extends RequestType>(type: T): ReplyType<T> {
  return type.replace(/_request$/, "_reply") as ReplyType<T>;
}

/**
 * Reads a request's content.
 * @throws Error naming the field that is not what the protocol says
 */
export function readRequest<T extends RequestType>(type: T, content: JsonObject): Requests[T] {
  return readers[type](new Fields(type, content));
}

export function isRequestType(type: string): type is RequestType {
  return Object.hasOwn(readers, type);
}

/** The fields of a content, checked as they are read; `otherwise` makes a field optional. */
class Fields {
  readonly #type: string;
  readonly #content: JsonObject;

  constructor(type: string, content: JsonObject) {
    this.#type = type;
    this.#content = content;
  }

  text(name: string, otherwise?: string): string {
    const value = this.#content[name] ?? otherwise;
    return typeof value === "string" ? value : this.#fail(name, "a string");
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.#content[name] ?? otherwise;
    return typeof value === "boolean" ? value : this.#fail(name, "true or false");
  }

  integer(name: string, otherwise?: number): number {
    return this.optionalInteger(name) ?? otherwise ?? this.#fail(name, "an integer");
  }

  optionalInteger(name: string): number | undefined {
    const value = this.#content[name] ?? undefined;
    return value === undefined || (typeof value === "number" && Number.isInteger(value))
      ? value
      : this.#fail(name, "an integer");
  }

  object(name: string): JsonObject {
    const value = this.#content[name] ?? {};
    return typeof value === "object" && !Array.isArray(value) ? (value as JsonObject) : this.#fail(name, "an object");
  }

  oneOf<V extends string>(name: string, values: readonly V[]): V {
    return values.find((value) => value === this.#content[name]) ?? this.#fail(name, values.join(" or "));
  }

  #fail(name: string, expected: string): never {
    throw new TypeError(
      `${this.#type}: expected ${name} to be ${expected}, got ${JSON.stringify(this.#content[name])}.`,
    );
  }
}

const readers: { readonly [T in RequestType]: (fields: Fields) => Requests[T] } = {
  execute_request: (fields) => {
    const silent = fields.flag("silent", false);
    return {
      code: fields.text("code"),
      silent,
      storeHistory: !silent && fields.flag("store_history", true),
      allowStdin: fields.flag("allow_stdin", true),
      stopOnError: fields.flag("stop_on_error", true),
      userExpressions: fields.object("user_expressions"),
    };
  },
  complete_request: (fields) => ({
    code: fields.text("code"),
    cursor: fields.integer("cursor_pos", Number.MAX_SAFE_INTEGER),
  }),
  inspect_request: (fields) => ({
    code: fields.text("code"),
    cursor: fields.integer("cursor_pos", Number.MAX_SAFE_INTEGER),
  }),
  is_complete_request: (fields) => ({ code: fields.text("code") }),
  history_request: (fields) => {
    const output = fields.flag("output", false);
    const access = fields.oneOf("hist_access_type", ["tail", "range", "search"]);
    switch (access) {
      case "tail":
        return { output, access, count: fields.integer("n", 10) };
      case "range":
        return {
          output,
          access,
          session: fields.integer("session", 0),
          start: fields.integer("start", 1),
          stop: fields.optionalInteger("stop"),
        };
      case "search":
        return {
          output,
          access,
          pattern: fields.text("pattern", "*"),
          count: fields.optionalInteger("n"),
          unique: fields.flag("unique", false),
        };
    }
  },
  comm_info_request: () => ({}),
};
