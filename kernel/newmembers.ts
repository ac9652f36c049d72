/** @file Declarations of members and globals that are younger than the compiler's own, by what must be there for them. */
import type { Part } from "./part.ts";

function part(has: boolean, text: string): Part {
  return { has, text };
}

/** Whether an object or a function has a member, which its own types may not know. */
function has(owner: unknown, name: string): boolean {
  return (typeof owner === "object" || typeof owner === "function") && owner !== null && name in owner;
}

/** A global that may not be there. */
function global(name: string): unknown {
  return (globalThis as Readonly<Record<string, unknown>>)[name];
}

function prototypeOf(name: string): unknown {
  return (global(name) as { readonly prototype?: unknown } | undefined)?.prototype;
}

const NUMBERS = ["Int8", "Uint8", "Uint8Clamped", "Int16", "Uint16", "Int32", "Uint32", "Float32", "Float64"];
const BIG_NUMBERS = ["BigInt64", "BigUint64"];

/** The changing methods' counterparts that copy. */
function copying(array: string, item: string): string {
  return `interface ${array} {
  /** A copy with the items in reverse order. */
  toReversed(): ${array};
  /** A copy with the items in order: by the comparison, else by size. */
  toSorted(compareFn?: (a: ${item}, b: ${item}) => number): ${array};
  /** A copy with another item at the index, which counts from the end where it is negative. */
  with(index: number, value: ${item}): ${array};
}`;
}

export const COLLECTIONS: readonly Part[] = [
  part(
    has(Array.prototype, "toSorted"),
    ["Array<T>", "ReadonlyArray<T>"]
      .map(
        (array) => `interface ${array} {
  /** A copy with the items in reverse order. */
  toReversed(): T[];
  /** A copy with the items in order: by the comparison, else by their text. */
  toSorted(compareFn?: (a: T, b: T) => number): T[];
  /** A copy without some items from an index on, and with others in their place. */
  toSpliced(start: number, deleteCount?: number): T[];
  toSpliced(start: number, deleteCount: number, ...items: T[]): T[];
  /** A copy with another item at the index, which counts from the end where it is negative. */
  with(index: number, value: T): T[];
}`,
      )
      .concat(NUMBERS.map((name) => copying(`${name}Array`, "number")))
      .concat(BIG_NUMBERS.map((name) => copying(`${name}Array`, "bigint")))
      .join("\n"),
  ),
  part(
    has(Array, "fromAsync"),
    `interface ArrayConstructor {
  /** An array of what an (asynchronous) iterable or an array-like object holds, awaited one after the other. */
  fromAsync<T>(items: AsyncIterable<T> | Iterable<T | PromiseLike<T>> | ArrayLike<T | PromiseLike<T>>): Promise<T[]>;
  fromAsync<T, U>(
    items: AsyncIterable<T> | Iterable<T | PromiseLike<T>> | ArrayLike<T | PromiseLike<T>>,
    mapFn: (value: Awaited<T>, index: number) => U,
    thisArg?: any,
  ): Promise<Awaited<U>[]>;
}`,
  ),
  part(
    has(Object, "groupBy"),
    `interface ObjectConstructor {
  /** The items by the key that the function gives each. */
  groupBy<K extends PropertyKey, T>(items: Iterable<T>, keyOf: (item: T, index: number) => K): Partial<Record<K, T[]>>;
}`,
  ),
  part(
    has(Map, "groupBy"),
    `interface MapConstructor {
  /** The items by the key that the function gives each. */
  groupBy<K, T>(items: Iterable<T>, keyOf: (item: T, index: number) => K): Map<K, T[]>;
}`,
  ),
  part(
    has(Map.prototype, "getOrInsert"),
    ["Map<K, V>", "WeakMap<K extends object, V>"]
      .map(
        (map) => `interface ${map} {
  /** The key's value; where it has none yet, it gets this one. */
  getOrInsert(key: K, value: V): V;
  /** The key's value; where it has none yet, it gets the one that is computed. */
  getOrInsertComputed(key: K, compute: (key: K) => V): V;
}`,
      )
      .join("\n"),
  ),
  part(
    has(Set.prototype, "union"),
    `interface ReadonlySetLike<T> { keys(): Iterator<T>; has(value: T): boolean; readonly size: number; }
${["Set<T>", "ReadonlySet<T>"]
  .map(
    (set) => `interface ${set} {
  /** What is in either. */
  union<U>(other: ReadonlySetLike<U>): Set<T | U>;
  /** What is in both. */
  intersection<U>(other: ReadonlySetLike<U>): Set<T & U>;
  /** What is in this and not in the other. */
  difference<U>(other: ReadonlySetLike<U>): Set<T>;
  /** What is in one of them only. */
  symmetricDifference<U>(other: ReadonlySetLike<U>): Set<T | U>;
  isSubsetOf(other: ReadonlySetLike<unknown>): boolean;
  isSupersetOf(other: ReadonlySetLike<unknown>): boolean;
  isDisjointFrom(other: ReadonlySetLike<unknown>): boolean;
}`,
  )
  .join("\n")}`,
  ),
  part(
    has(prototypeOf("Iterator"), "map"),
    `interface IteratorHelpers<T> extends IterableIterator<T> {
  map<U>(f: (value: T, index: number) => U): IteratorHelpers<U>;
  filter<S extends T>(f: (value: T, index: number) => value is S): IteratorHelpers<S>;
  filter(f: (value: T, index: number) => unknown): IteratorHelpers<T>;
  take(limit: number): IteratorHelpers<T>;
  drop(count: number): IteratorHelpers<T>;
  flatMap<U>(f: (value: T, index: number) => Iterable<U> | Iterator<U>): IteratorHelpers<U>;
  reduce(f: (sum: T, value: T, index: number) => T): T;
  reduce<U>(f: (sum: U, value: T, index: number) => U, start: U): U;
  toArray(): T[];
  forEach(f: (value: T, index: number) => void): void;
  some(f: (value: T, index: number) => unknown): boolean;
  every(f: (value: T, index: number) => unknown): boolean;
  find<S extends T>(f: (value: T, index: number) => value is S): S | undefined;
  find(f: (value: T, index: number) => unknown): T | undefined;
}
interface IterableIterator<T> extends Omit<IteratorHelpers<T>, typeof Symbol.iterator | keyof Iterator<T>> {}
declare var Iterator: {
  from<T>(items: Iterable<T> | Iterator<T>): IteratorHelpers<T>;
  readonly prototype: IteratorHelpers<unknown>;
};`,
  ),
];

export const STRINGS: readonly Part[] = [
  part(
    has(String.prototype, "isWellFormed"),
    `interface String {
  /** Whether every surrogate has its other half. */
  isWellFormed(): boolean;
  /** A copy with U+FFFD in place of every surrogate without its other half. */
  toWellFormed(): string;
}`,
  ),
  part(
    has(RegExp.prototype, "unicodeSets"),
    `interface RegExp {
  /** Whether the flag \`v\` is set. */
  readonly unicodeSets: boolean;
}`,
  ),
  part(
    has(RegExp, "escape"),
    `interface RegExpConstructor {
  /** The text as a pattern that matches it literally. */
  escape(text: string): string;
}`,
  ),
  part(
    has(JSON, "rawJSON"),
    `interface JSON {
  /** A value that JSON.stringify() writes as this text. */
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
}`,
  ),
  part(
    true,
    `declare namespace Intl {
  function getCanonicalLocales(locales?: string | readonly string[]): string[];
  function supportedValuesOf(
    key: "calendar" | "collation" | "currency" | "numberingSystem" | "timeZone" | "unit",
  ): string[];
  interface NumberFormat {
    formatRange(start: number | bigint, end: number | bigint): string;
    formatRangeToParts(start: number | bigint, end: number | bigint): (NumberFormatPart & { source: string })[];
  }
}`,
  ),
];

export const PROMISES: readonly Part[] = [
  part(
    has(Promise, "withResolvers"),
    `interface PromiseConstructor {
  /** A promise, and the functions that settle it. */
  withResolvers<T>(): {
    promise: Promise<T>;
    resolve: (value: T | PromiseLike<T>) => void;
    reject: (reason?: any) => void;
  };
}`,
  ),
  part(
    has(Promise, "try"),
    `interface PromiseConstructor {
  /** Calls the function at once; what it throws rejects the promise. */
  try<T, A extends unknown[]>(f: (...args: A) => T | PromiseLike<T>, ...args: A): Promise<Awaited<T>>;
}`,
  ),
  part(
    has(Error, "isError"),
    `interface ErrorConstructor {
  /** Whether it is an error, also of another realm. */
  isError(value: unknown): value is Error;
}`,
  ),
  part(
    has(Math, "f16round"),
    `interface Math {
  /** The nearest number of 16 bits. */
  f16round(x: number): number;
}`,
  ),
  part(
    has(Math, "sumPrecise"),
    `interface Math {
  /** The sum, rounded once. */
  sumPrecise(numbers: Iterable<number>): number;
}`,
  ),
];

/** Optional in `ArrayBuffer`, which takes shared buffers as well: what is typed `x.buffer` may be either. */
export const BUFFERS: readonly Part[] = [
  part(
    has(ArrayBuffer.prototype, "resize"),
    `interface ArrayBuffer {
  readonly resizable?: boolean;
  readonly maxByteLength?: number;
  /** Makes it shorter or longer, up to \`maxByteLength\`. */
  resize?(byteLength?: number): void;
}
interface ArrayBufferConstructor {
  new (byteLength: number, options?: { maxByteLength?: number }): ArrayBuffer;
}
interface SharedArrayBuffer {
  readonly growable: boolean;
  readonly maxByteLength: number;
  /** Makes it longer, up to \`maxByteLength\`. */
  grow(byteLength?: number): void;
}
interface SharedArrayBufferConstructor {
  new (byteLength: number, options?: { maxByteLength?: number }): SharedArrayBuffer;
}`,
  ),
  part(
    has(ArrayBuffer.prototype, "transfer"),
    `interface ArrayBuffer {
  readonly detached?: boolean;
  /** A buffer with these bytes; this one is left empty. */
  transfer?(byteLength?: number): ArrayBuffer;
  transferToFixedLength?(byteLength?: number): ArrayBuffer;
}`,
  ),
  part(
    has(Uint8Array, "fromBase64"),
    `interface Uint8ArrayConstructor {
  fromBase64(text: string, options?: { alphabet?: "base64" | "base64url"; lastChunkHandling?: string }): Uint8Array;
  fromHex(text: string): Uint8Array;
}
interface Uint8Array {
  toBase64(options?: { alphabet?: "base64" | "base64url"; omitPadding?: boolean }): string;
  toHex(): string;
}`,
  ),
];

/** Not in TypeScript's own declarations for their age. */
export const OLD_DATES: readonly Part[] = [
  part(
    true,
    `interface Date {
  /** @deprecated Counts from 1900: use getFullYear(). */
  getYear(): number;
  /** @deprecated Use setFullYear(). */
  setYear(year: number): number;
  /** @deprecated Use toUTCString(). */
  toGMTString(): string;
}`,
  ),
];

export const WORKERS: readonly Part[] = [
  part(
    has(prototypeOf("MessagePort"), "onmessage"),
    `declare module "worker_threads" {
  interface MessagePort {
    onmessage: ((event: { readonly data: any }) => void) | null;
    onmessageerror: ((event: { readonly data: any }) => void) | null;
    /** Whether the port keeps the process alive. */
    hasRef(): boolean;
  }
}`,
  ),
];

export const MODULES: readonly Part[] = [
  part(
    true,
    `interface ImportCallOptions {
  /** Attributes, as in \`import("./a.json", { with: { type: "json" } })\`. */
  with?: Record<string, string>;
}`,
  ),
];

/** The classes of what \`crypto\` and \`performance\` are. */
export const WEB_CRYPTO: readonly Part[] = [
  part(
    has(globalThis, "CryptoKey"),
    ["Crypto", "CryptoKey", "SubtleCrypto"]
      .map(
        (name) => `type ${name} = import("crypto").webcrypto.${name};
declare var ${name}: { readonly prototype: ${name}; new (): ${name} };`,
      )
      .join("\n"),
  ),
  part(
    has(globalThis, "Performance"),
    `type Performance = import("perf_hooks").Performance;
declare var Performance: { readonly prototype: Performance; new (): Performance };`,
  ),
];
