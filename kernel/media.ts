/** @file What `display.html(...)` and its kin show: a value of one known type, as Jupyter carries it. */
import { inspect } from "node:util";
import type { MimeBundle } from "../src/ambient.ts";

/** The bytes of a file, or the same in base64. */
type Bytes = string | Uint8Array | ArrayBuffer;

export type MediaName =
  | "text"
  | "html"
  | "markdown"
  | "latex"
  | "javascript"
  | "svg"
  | "json"
  | "png"
  | "jpeg"
  | "gif"
  | "pdf"
  | "mime";

/** Front ends without graphics (a terminal, a log) show the text beside the rest. */
export const MEDIA: Readonly<Record<MediaName, (value: never) => MimeBundle>> = {
  text: (text: string): MimeBundle => ({ "text/plain": textOf("text", text) }),
  html: (html: string): MimeBundle => written("html", "text/html", html),
  markdown: (markdown: string): MimeBundle => written("markdown", "text/markdown", markdown),
  latex: (latex: string): MimeBundle => written("latex", "text/latex", latex),
  javascript: (code: string): MimeBundle => written("javascript", "application/javascript", code),
  svg: (svg: string): MimeBundle => written("svg", "image/svg+xml", svg),
  json: (value: unknown): MimeBundle => ({ "application/json": jsonOf(value), "text/plain": inspect(value) }),
  png: (image: Bytes): MimeBundle => encoded("png", "image/png", image),
  jpeg: (image: Bytes): MimeBundle => encoded("jpeg", "image/jpeg", image),
  gif: (image: Bytes): MimeBundle => encoded("gif", "image/gif", image),
  pdf: (document: Bytes): MimeBundle => encoded("pdf", "application/pdf", document),
  mime: (bundle: MimeBundle): MimeBundle => bundleOf(bundle),
};

/** For the compiler: the members of an interface in which each shows (or updates) and resolves to `result`. */
export function mediaDeclarations(verb: string, options: string, result: string): string {
  const members: Readonly<Record<MediaName, readonly [parameter: string, what: string]>> = {
    text: ["text: string", "plain text"],
    html: ["html: string", "HTML"],
    markdown: ["markdown: string", "Markdown"],
    latex: ["latex: string", "LaTeX, `$` signs included"],
    javascript: ["code: string", "JavaScript, which the front end runs (if it trusts the notebook)"],
    svg: ["svg: string", "an SVG image, given as its text"],
    json: ["value: unknown", "a value as JSON, which front ends let unfold"],
    png: [`image: ${BYTES}`, "a PNG image: its bytes, or these in base64"],
    jpeg: [`image: ${BYTES}`, "a JPEG image: its bytes, or these in base64"],
    gif: [`image: ${BYTES}`, "a GIF image: its bytes, or these in base64"],
    pdf: [`document: ${BYTES}`, "a PDF document: its bytes, or these in base64"],
    mime: ["bundle: Record<string, unknown>", "one thing in several forms, by MIME type; the front end takes the best"],
  };
  return Object.entries(members)
    .map(([name, [parameter, what]]) => `/** ${verb} ${what}. */\n${name}(${parameter}${options}): Promise<${result}>;`)
    .join("\n");
}

const BYTES = "string | Uint8Array | ArrayBuffer";

function written(name: MediaName, type: string, value: string): MimeBundle {
  const text = textOf(name, value);
  return { [type]: text, "text/plain": text };
}

function encoded(name: MediaName, type: string, value: Bytes): MimeBundle {
  const isBytes = value instanceof Uint8Array || value instanceof ArrayBuffer;
  if (!isBytes && (typeof value !== "string" || !/^[\w+/\s-]+={0,2}\s*$/.test(value))) {
    throw mistaken(
      name,
      "the bytes of a file (a Uint8Array) or base64",
      value,
      "A file is read with readFileSync(path).",
    );
  }
  // Base64 in any of its alphabets is taken; what goes out has the usual one, without line breaks.
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : Buffer.from(value as Uint8Array);
  return { [type]: bytes.toString("base64"), "text/plain": `${type}, ${bytes.length} bytes` };
}

function textOf(name: MediaName, value: unknown): string {
  if (typeof value === "string") return value;
  throw mistaken(name, "a string", value, "display(value) shows any value.");
}

/** As it is written to JSON: what has no form there is left out, as everywhere in JavaScript. */
function jsonOf(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part));
  if (text !== undefined) return JSON.parse(text);
  throw mistaken("json", "a value that JSON has", value, "display(value) shows any value.");
}

function bundleOf(value: unknown): MimeBundle {
  const isBundle = typeof value === "object" && value !== null && Object.keys(value).every((key) => key.includes("/"));
  if (isBundle && Object.keys(value).length > 0) return value as MimeBundle;
  throw mistaken(
    "mime",
    'contents by MIME type, as in { "text/html": "<b>1</b>" }',
    value,
    "display(value) shows any value.",
  );
}

function mistaken(name: MediaName, expected: string, got: unknown, remedy: string): TypeError {
  const shown = inspect(got, { depth: 0, maxStringLength: 60, breakLength: Number.POSITIVE_INFINITY });
  return new TypeError(`display.${name}: expected ${expected}, got ${shown}. ${remedy}`);
}
