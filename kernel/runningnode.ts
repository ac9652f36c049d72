/**
 * @file Declarations of what the running Node has and the TypeScript of cells, or the types of Node that come with us, do
 * not know yet. Each part is declared only where it is there at run time.
 */
import { builtinModules } from "node:module";
import { BUFFERS, COLLECTIONS, MODULES, OLD_DATES, PROMISES, STRINGS, WEB_CRYPTO, WORKERS } from "./newmembers.ts";
import type { Part } from "./part.ts";
import { WEB_ASSEMBLY } from "./webassembly.ts";

const PARTS: readonly Part[] = [
  ...COLLECTIONS,
  ...STRINGS,
  ...PROMISES,
  ...BUFFERS,
  ...OLD_DATES,
  ...WEB_CRYPTO,
  ...WORKERS,
  ...MODULES,
  WEB_ASSEMBLY,
];

/**
 * The text of a declaration file. It must come after all others: names that have a declaration already keep it, and the
 * rest of what is global is declared as `any`, which is better than refusing what would run. The same for modules.
 * @param isTyped whether there are types for a module of Node's
 */
export function runningNodeDeclarations(isTyped: (module: string) => boolean): string {
  const globals = Object.getOwnPropertyNames(globalThis).filter(
    (name) => /^[A-Za-z_$][\w$]*$/.test(name) && !TYPED.has(name),
  );
  const modules = builtinModules
    .map((name) => name.replace(/^node:/, ""))
    .filter((name) => !name.startsWith("_") && !isTyped(name));
  return [
    ...PARTS.filter(({ has }) => has).map(({ text }) => text),
    ...(globals.length > 0 ? [asGlobals(globals.map((name) => `var ${name}: any;`))] : []),
    ...modules.flatMap((name) => [`declare module "${name}";`, `declare module "node:${name}";`]),
  ].join("\n");
}

/** What modules add to the global names is taken in after all files, in order: so these come last indeed. */
function asGlobals(declarations: readonly string[]): string {
  return ['declare module "glmlab-globals" { global {', ...declarations, "} }"].join("\n");
}

/** What Node 20 has, all of it typed by TypeScript, by the types of Node or here: nothing need be said about it. */
const TYPED: ReadonlySet<string> = new Set(
  `
  AbortController AbortSignal AggregateError Array ArrayBuffer Atomics BigInt BigInt64Array BigUint64Array Blob
  Boolean BroadcastChannel Buffer ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto CryptoKey
  CustomEvent DOMException DataView Date DecompressionStream Error EvalError Event EventTarget File
  FinalizationRegistry Float32Array Float64Array FormData Function Headers Infinity Int16Array Int32Array Int8Array
  Intl JSON Map Math MessageChannel MessageEvent MessagePort NaN Number Object Performance PerformanceEntry
  PerformanceMark PerformanceMeasure PerformanceObserver PerformanceObserverEntryList PerformanceResourceTiming
  Promise Proxy RangeError ReadableByteStreamController ReadableStream ReadableStreamBYOBReader
  ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader ReferenceError Reflect RegExp
  Request Response Set SharedArrayBuffer String SubtleCrypto Symbol SyntaxError TextDecoder TextDecoderStream
  TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController TypeError URIError URL
  URLSearchParams Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly
  WritableStream WritableStreamDefaultController WritableStreamDefaultWriter __dirname __filename assert async_hooks
  atob btoa buffer child_process clearImmediate clearInterval clearTimeout cluster console constants crypto decodeURI
  decodeURIComponent dgram diagnostics_channel dns domain encodeURI encodeURIComponent escape eval events exports
  fetch fs global globalThis http http2 https inspector isFinite isNaN module net os parseFloat parseInt path
  perf_hooks performance process punycode querystring queueMicrotask readline repl require setImmediate setInterval
  setTimeout stream string_decoder structuredClone sys timers tls trace_events tty undefined unescape url util v8 vm
  wasi worker_threads zlib
`.split(/\s+/),
);
