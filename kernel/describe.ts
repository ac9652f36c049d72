/** @file Anything as text. What a cell throws or shows may be broken in every part: describing it never throws. */
import { inspect, types } from "node:util";

/** An error's parts as text, whatever its object does when they are read. */
export interface DescribedError {
  readonly name: string;
  readonly message: string;
  /** Of an AggregateError its parts, else its cause, if there is one. */
  readonly causes: readonly unknown[];
}

/** Parts of one AggregateError that are told; the others are counted. */
const MAX_PARTS = 50;

/** What Node's REPL shows of a value, or as much as can be said of one that cannot be inspected. */
export function describe(value: unknown): string {
  const text = attempt(() => inspect(value));
  if (!isError(value)) {
    if ("value" in text) return text.value;
    return `[${kindOf(value)} that cannot be inspected: its inspection threw ${brief(text.thrown)}]`;
  }
  const { name, message, causes } = describeError(value);
  const title = message === "" ? name : `${name}: ${message}`;
  // inspect() shows the stack: one that is no text, or that is of another time, may leave out what happened.
  if ("value" in text) return text.value.includes(message) ? text.value : `${title}\n${text.value}`;
  return [title, ...causes.map((cause) => `  caused by ${brief(cause)}`)].join("\n");
}

/** Is it an error, of this or of another realm? A proxy that refuses to say so is none. */
export function isError(value: unknown): value is Error {
  const answer = attempt(() => types.isNativeError(value) || value instanceof Error);
  return "value" in answer && answer.value;
}

/** What is not text is described; of what cannot be read it is said. */
export function describeError(error: Error): DescribedError {
  return { name: part(error, "name") || "Error", message: part(error, "message"), causes: causesOf(error) };
}

/** Reads what may throw when it is read. */
export function attempt<T>(read: () => T): { readonly value: T } | { readonly thrown: unknown } {
  try {
    return { value: read() };
  } catch (thrown) {
    return { thrown };
  }
}

function part(error: Error, name: "name" | "message"): string {
  const read = attempt((): unknown => error[name]);
  if ("thrown" in read) return `[Error whose ${name} cannot be read: its getter threw ${brief(read.thrown)}]`;
  if (typeof read.value === "string") return read.value;
  return read.value === undefined ? "" : describe(read.value);
}

function causesOf(error: Error): readonly unknown[] {
  const parts = attempt((): unknown => (error instanceof AggregateError ? error.errors : undefined));
  if ("value" in parts && Array.isArray(parts.value)) return partsOf(parts.value);
  const causes = [parts, attempt(() => error.cause)].map((read) =>
    "value" in read
      ? read.value
      : new Unreadable(`[cause that cannot be read: its getter threw ${brief(read.thrown)}]`),
  );
  return causes.filter((cause) => cause !== undefined && cause !== null);
}

function partsOf(errors: readonly unknown[]): readonly unknown[] {
  const count = Math.min(errors.length, MAX_PARTS);
  const told = Array.from({ length: count }, (_, index) => {
    const read = attempt(() => errors[index]);
    return "value" in read ? read.value : new Unreadable(`[error that cannot be read: ${brief(read.thrown)}]`);
  });
  return errors.length > count ? [...told, new Unreadable(`[and ${errors.length - count} more errors]`)] : told;
}

/** Stands where a value should be, and is shown as its text. */
class Unreadable {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  [inspect.custom](): string {
    return this.#text;
  }
}

/** What was thrown while something else was described, in one line and without asking it much. */
function brief(thrown: unknown): string {
  if (!isError(thrown)) return typeof thrown === "string" ? JSON.stringify(thrown) : kindOf(thrown);
  const texts = [attempt((): unknown => thrown.name), attempt((): unknown => thrown.message)].map((read) =>
    "value" in read && typeof read.value === "string" ? read.value : "",
  );
  return texts.filter((text) => text !== "").join(": ") || "an error";
}

function kindOf(value: unknown): string {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return `a ${typeof value}`;
  const name = attempt((): unknown => value.constructor?.name);
  return "value" in name && typeof name.value === "string" && name.value !== "" ? name.value : typeof value;
}
