/** @file Rows as token ids with labels: what the model reads, and the part of it that it shall learn to say. */

import { lastLearnt, type Row, type RowTurn } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import { FaultList } from "../fault-list.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { WrittenMessage } from "../text/prompt.ts";
import { quoted } from "../text-cut.ts";
import type { TokenBatch } from "./batch.ts";
import { type Cut, CutCount, cutRow, type RowLimits, smallestLength, type WholeRow } from "./cut.ts";
import type { Example } from "./examples.ts";
import type { RowWriter } from "./row-writer.ts";

/** Faults listed in one report. */
const SHOWN = 10;

/** The label of a token that is not to be learned. */
export const IGNORED = -100;

/** By the rows that `encodeRows` made: a batch that goes to the graph has no need of it. */
const cuts = new WeakMap<TokenBatch, Cut>();

/** What rows lost when they were encoded; nothing for those that were encoded elsewhere. */
export const cutOf = (batch: TokenBatch): Cut => cuts.get(batch) ?? new CutCount().total;

/** A row as the model reads it, what of it is learnt, and what it lost. */
export interface EncodedRow extends Example {
  /** Tokens. */
  readonly lost: { readonly prompt: number; readonly answer: number };
}

/** How rows become labelled ids. */
export interface EncodeOptions extends RowLimits {
  /**
   * Whether the token that opens an answer, `<|assistant|>`, is learnt as well. Published scripts differ: ChatGLM-Finetuning's do so,
   * finetune_demo's of ChatGLM3 and GLM-4 do not.
   */
  readonly learnRole?: boolean;
}

/**
 * Encodes a row: the prompt is labelled -100, the answer and its end mark are learned; of a whole conversation every answer is, up
 * to the token of the next role, which ends it. In rows that are longer than `maxLength` the prompt loses its start, then the
 * answer its end, but never the end mark: a model that was not shown where answers end does not stop. Cuts are between characters.
 * @throws GlmError "option-invalid" at once for lengths and roles that the family has not; "data-invalid", by what it returns, for a
 * row of which no answer would be left
 */
export function rowEncoder(writer: RowWriter, options: EncodeOptions): (row: Row) => EncodedRow {
  const { maxLength, learnRole = false } = options;
  // Both ends of the prompt always stay, and at least one id of the answer and its end mark.
  const least = smallestLength(writer);
  if (!Number.isInteger(maxLength) || maxLength < least) {
    throw new GlmError(
      "option-invalid",
      `maxLength: expected a whole number of tokens from ${least}, got ${maxLength}.`,
    );
  }
  if (learnRole && writer.role === undefined) {
    throw new GlmError(
      "option-invalid",
      "learnRole: expected a family whose answers open with <|assistant|> (chatglm3-6b, glm-4-9b), got one without roles. Leave it out.",
    );
  }
  return (row) => {
    const whole = row.turns ? wholeTurns(row.turns, writer, learnRole) : wholeRow(row, writer, learnRole);
    return cutRow(whole, writer, options);
  };
}

/** The limits of a model: rows are no longer than asked, and never longer than it reads. */
export const limitsFor = <O extends EncodeOptions>(
  options: O,
  { contextLength }: Pick<ChatGLMConfig, "contextLength">,
): O => ({ ...options, maxLength: Math.min(options.maxLength, contextLength) });

/**
 * Encodes rows as `rowEncoder` does; `cutOf` tells what was lost.
 * @throws GlmError "data-invalid" with every row of which no answer would be left
 */
export function encodeRows(rows: readonly Row[], writer: RowWriter, options: EncodeOptions): TokenBatch {
  const encode = rowEncoder(writer, options);
  const faults = new RowFaults();
  const cut = new CutCount();
  const inputIds: (readonly number[])[] = [];
  const labels: (readonly number[])[] = [];
  rows.forEach((row, i) => {
    const encoded = faults.of(row, i, encode);
    if (!encoded) return;
    cut.add(encoded.lost);
    inputIds.push(encoded.ids);
    labels.push(encoded.labels);
  });
  faults.end();
  const batch = { inputIds, labels };
  cuts.set(batch, cut.total);
  return batch;
}

/** @throws GlmError "data-invalid" with every row of which no answer would be left */
export const encodeForModel = (
  rows: readonly Row[],
  writer: RowWriter,
  options: EncodeOptions,
  config: Pick<ChatGLMConfig, "contextLength">,
): TokenBatch => encodeRows(rows, writer, limitsFor(options, config));

/** Rows that cannot be learnt: all are looked for, then told together. */
export class RowFaults {
  readonly #faults = new FaultList(SHOWN);

  /** The row encoded; undefined when it cannot be. */
  of(row: Row, index: number, encode: (row: Row) => EncodedRow): EncodedRow | undefined {
    try {
      return encode(row);
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      this.#faults.add(`row ${index + 1} (${quoted(row.prompt, 40)}): ${error.message}`);
      return undefined;
    }
  }

  /** @throws GlmError "data-invalid" when there were any */
  end(): void {
    if (this.#faults.count === 0) return;
    throw new GlmError("data-invalid", `The data set cannot be learned; correct or remove these rows:${this.#faults}`);
  }
}

function wholeRow(row: Row, writer: RowWriter, learnRole: boolean): WholeRow {
  const answer = writer.response(row);
  if (row.response.trim() === "" || answer.length <= writer.opening.length) throw nothingToLearn();
  const ids = writer.prompt(row);
  const labels = ids.map(() => IGNORED);
  if (learnRole) labels[labels.length - 1] = ids.at(-1) as number;
  return { prompt: ids, labels, answer, opening: writer.opening.length, end: writer.end };
}

/**
 * A conversation up to its last answer that is learnt. As in the published scripts, what follows an answer ends it, and what is
 * learnt of a turn is what comes after its role's token, that end included.
 */
function wholeTurns(turns: readonly RowTurn[], writer: RowWriter, learnRole: boolean): WholeRow {
  const { start, messages } = writer.turns(turns);
  const isLearnt = ({ message: { role, loss } }: WrittenMessage<RowTurn>): boolean =>
    role === "assistant" && loss !== false;
  const last = messages.findLastIndex(isLearnt);
  const answer = messages[last];
  if (!answer || lastLearnt(turns) < 0) throw nothingToLearn();
  const prompt = [...start];
  const labels = start.map(() => IGNORED);
  let follows = false;
  for (const written of [...messages.slice(0, last), { ...answer, ids: answer.ids.slice(0, 1) }]) {
    const learns = isLearnt(written);
    written.ids.forEach((id, i) => {
      prompt.push(id);
      labels.push((i === 0 ? follows || (learns && learnRole) : learns) ? id : IGNORED);
    });
    follows = learns;
  }
  const content = answer.message.content;
  if (content.trim() === "") throw nothingToLearn();
  const opening = answer.ids.length - 1 - contentLength(answer, writer);
  return { prompt, labels, answer: answer.ids.slice(1), opening, end: messages[last + 1]?.ids[0] ?? writer.end };
}

/** How many ids of an answer are its own text: the others are its line of metadata. */
const contentLength = ({ message }: WrittenMessage<RowTurn>, writer: RowWriter): number =>
  writer.response({ prompt: "", response: message.content }).length - writer.opening.length;

const nothingToLearn = (): GlmError =>
  new GlmError("data-invalid", "expected a response, got none that could be learned");
