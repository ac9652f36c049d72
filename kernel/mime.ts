/** @file Mime bundles as nbformat 4 has them: JSON under JSON types, text under all others. What does not fit is said. */
import { types } from "node:util";
import type { MimeBundle } from "../src/ambient.ts";
import { shortened } from "../src/text-cut.ts";
import { attempt, describe, isError } from "./describe.ts";

/** As nbformat's schema has it. */
const JSON_TYPE = /^application\/(.*\+)?json$/;
/** Types whose text is base64; SVG is XML. */
const BINARY_TYPE = /^(image\/(?!svg)|audio\/|video\/|font\/|application\/(pdf|zip|octet-stream)$)/;
const EXPECTED = 'an object of texts by their MIME types, as { "text/html": "<b>bold</b>" }';

/** Deeper than charts are; what is deeper is looked at by JSON.stringify() itself, which finds cycles. */
const MAX_DEPTH = 50;

/** Bundles that were made here: they fit. */
const fitting = new WeakSet<object>();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * `given` as a bundle that every notebook can hold: whatever fits is kept, bytes are written as text, and where nothing
 * fits the bundle is a description of what was given. Never throws.
 * @param say is told of each part that is left out, and why
 */
export function fitBundle(given: unknown, say: (what: string) => void): MimeBundle {
  if (typeof given === "object" && given !== null && fitting.has(given)) return given as MimeBundle;
  const bundle: MimeBundle = {};
  const parts = partsOf(given);
  if (!parts) say(`A display was to be ${EXPECTED}; got ${firstLine(describe(given))}, which is shown as text.\n`);
  for (const [type, read] of parts ?? []) {
    const part = attempt(() => fitPart(type, read()));
    if ("thrown" in part) say(`${leftOut(type)}: reading it threw ${firstLine(describe(part.thrown))}.\n`);
    else if ("problem" in part.value) say(`${leftOut(type)}: ${part.value.problem}\n`);
    else if (part.value.data !== undefined) bundle[type] = part.value.data;
  }
  if (Object.keys(bundle).length === 0) bundle["text/plain"] = typeof given === "string" ? given : describe(given);
  fitting.add(bundle);
  return bundle;
}

/** The bundle of a text alone. */
export function textBundle(text: string): MimeBundle {
  const bundle = { "text/plain": text };
  fitting.add(bundle);
  return bundle;
}

function leftOut(type: string): string {
  return `The ${type} of a display is left out`;
}

/** Undefined for what is no bundle at all. */
function partsOf(given: unknown): readonly (readonly [type: string, read: () => unknown])[] | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given) || isError(given)) return undefined;
  if (ArrayBuffer.isView(given) || types.isAnyArrayBuffer(given) || types.isMap(given) || types.isSet(given))
    return undefined;
  const names = attempt(() => Object.keys(given));
  if (!("value" in names) || !names.value.some((name) => name.includes("/"))) return undefined;
  return names.value.map((name) => [name, () => (given as Record<string, unknown>)[name]]);
}

type Part = { readonly data: unknown } | { readonly problem: string };

/** No data and no problem: the part is not there. */
function fitPart(type: string, value: unknown): Part {
  if (value === undefined) return { data: undefined };
  if (!type.includes("/")) return { problem: `${JSON.stringify(type)} is no MIME type. Expected one as "text/html".` };
  return JSON_TYPE.test(type) ? fitJson(value) : fitText(type, value);
}

function fitText(type: string, value: unknown): Part {
  if (typeof value === "string") return { data: value };
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return { data: String(value) };
  if (Array.isArray(value) && value.every((line) => typeof line === "string")) return { data: value.join("") };
  const bytes = bytesOf(value);
  if (bytes && BINARY_TYPE.test(type)) return { data: bytes.toString("base64") };
  const text = bytes && attempt(() => utf8.decode(bytes));
  if (text && "value" in text) return { data: text.value };
  const expected = BINARY_TYPE.test(type) ? "its bytes or their base64" : "a text";
  return { problem: `expected ${expected}, got ${firstLine(describe(value))}.` };
}

function bytesOf(value: unknown): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return types.isAnyArrayBuffer(value) ? Buffer.from(value) : undefined;
}

function fitJson(value: unknown): Part {
  if (isPlain(value, MAX_DEPTH)) return { data: value };
  const text = attempt(() => JSON.stringify(value, withArrays) as string | undefined);
  if ("value" in text && text.value !== undefined) return { data: JSON.parse(text.value) };
  const why = "value" in text ? "there is nothing of it in JSON" : reason(text.thrown);
  return { problem: `expected what JSON can hold, got ${firstLine(describe(value))} (${why}).` };
}

/** Is it as it would be read back from JSON? Charts are, and need no copy. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth === 0 || types.isProxy(value)) return false;
  if (Array.isArray(value)) return value.every((element) => isPlain(element, depth - 1));
  if (Object.getPrototypeOf(value) !== Object.prototype || "toJSON" in value) return false;
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth - 1)) return false;
  return true;
}

/** JSON has typed arrays as objects with a property for each number. */
function withArrays(_name: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) && !types.isDataView(value) ? Array.from(value as Uint8Array) : value;
}

function reason(thrown: unknown): string {
  const text = describe(thrown);
  if (/BigInt/.test(text)) return "it holds a BigInt: make it a number or a string";
  if (/circular/i.test(text)) return "it holds itself: leave the cycle out";
  return firstLine(text);
}

/** A line of a text that may be long. */
function firstLine(text: string): string {
  const [line = ""] = text.split("\n", 1);
  return shortened(line.length < text.length ? `${line} ...` : line, 200);
}
