/** @file The tokenizers that tests have: small ones in the published formats, with what the published code makes of texts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

export const textFixture = (...path: string[]): string => join(import.meta.dirname, "../fixtures/text", ...path);

export interface Line {
  text: string;
  ids: number[];
  /** What the ids decode to; the text itself where it is left out. */
  decoded?: string;
}

export function readJson<T>(path: string): T {
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")) as T;
}

/** The lines whose ids differ from the published ones. */
export function wrongIds(tokenizer: Tokenizer, lines: readonly Line[]): unknown[] {
  return lines.filter(({ text, ids }) => tokenizer.encode(text).join() !== ids.join());
}

/** The lines that decode to another text than the published one, at once or as a stream, or show half a character. */
export function wrongTexts(tokenizer: Tokenizer, lines: readonly Line[]): unknown[] {
  return lines.filter(({ text, ids, decoded = text }) => {
    const stream = tokenizer.stream();
    const pieces = ids.map((id) => stream.push(id));
    const halves = pieces.join("").split("\ufffd").length !== decoded.split("\ufffd").length;
    return halves || pieces.join("") + stream.end() !== decoded || tokenizer.decode(ids) !== decoded;
  });
}
