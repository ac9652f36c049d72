/** @file Rows as token ids with labels: what the model reads, and the part of it that it shall learn to say. */
import type { Batch } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { Row } from "./dataset.ts";

/** The label of a token that is not to be learned. */
const ignored = -100;

/** How a family writes a conversation in token ids. */
export interface RowWriter {
  /** Everything up to where the answer begins. */
  prompt(row: Row): readonly number[];
  /** The answer, without its end mark. */
  response(row: Row): readonly number[];
  /** How many ids at the prompt's start are always kept ([gMASK], sop). */
  readonly prefix: number;
  /** The token that ends an answer. */
  readonly end: number;
}

/**
 * Encodes rows: the prompt is labelled -100, the answer and its end mark are learned. In rows that are longer than
 * `maxLength` the prompt loses its start, then the answer its end, but never the end mark: a model that was not shown
 * where answers end does not stop.
 * @throws GlmError "data-invalid" with every row of which no answer would be left
 */
export function encodeRows(rows: readonly Row[], writer: RowWriter, maxLength: number): Batch {
  const least = writer.prefix + 3;
  if (!Number.isInteger(maxLength) || maxLength < least) {
    throw new GlmError("option-invalid", `maxLength: expected a whole number of tokens from ${least}, got ${maxLength}.`);
  }
  const faults: string[] = [];
  const inputIds: number[][] = [];
  const labels: number[][] = [];
  rows.forEach((row, i) => {
    const prompt = writer.prompt(row);
    // One id of the prompt's end always stays: it is where the answer begins.
    const response = writer.response(row).slice(0, maxLength - writer.prefix - 2);
    if (row.response.trim() === "" || response.length === 0) {
      faults.push(`row ${i + 1} (${shorten(row.prompt)}): expected a response, got none that could be learned`);
      return;
    }
    const answer = [...response, writer.end];
    const kept = keepEnd(prompt, writer.prefix, maxLength - answer.length);
    inputIds.push([...kept, ...answer]);
    labels.push([...kept.map(() => ignored), ...answer]);
  });
  if (faults.length > 0) {
    const shown = faults.slice(0, 10).map((fault) => `\n- ${fault}`);
    if (faults.length > 10) shown.push(`\n- and ${faults.length - 10} more`);
    throw new GlmError("data-invalid", `The data set cannot be learned; correct or remove these rows:${shown.join("")}`);
  }
  return { inputIds, labels };
}

/** The prompt in `room` tokens: its first `prefix` ids and as much of its end as fits. */
function keepEnd(prompt: readonly number[], prefix: number, room: number): number[] {
  if (prompt.length <= room) return [...prompt];
  return [...prompt.slice(0, prefix), ...prompt.slice(prompt.length - (room - prefix))];
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
}
