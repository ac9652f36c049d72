/** @file Rows as token ids with labels: what the model reads, and the part of it that it shall learn to say. */

import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { Family } from "../models/family.ts";
import { type Message, prompt } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { quoted } from "../text-cut.ts";
import type { TokenBatch } from "./batch.ts";
import type { Row } from "../data/row.ts";

/** Faults listed in one report. */
const SHOWN = 10;

/** The label of a token that is not to be learned. */
const ignored = -100;

/** How many rows did not fit into the longest length and lost something of what the model reads or learns. */
export interface Cut {
  /** Rows whose answer lost its end. */
  readonly answers: number;
  /** Rows whose prompt lost its start: the system prompt and earlier rounds go first. */
  readonly prompts: number;
}

const NOTHING: Cut = { answers: 0, prompts: 0 };

/** By the rows that `encodeRows` made: a batch that goes to the graph has no need of it. */
const cuts = new WeakMap<TokenBatch, Cut>();

/** What rows lost when they were encoded; nothing for those that were encoded elsewhere. */
export const cutOf = (batch: TokenBatch): Cut => cuts.get(batch) ?? NOTHING;

/** How a family writes a row in token ids. */
export interface RowWriter {
  /** Everything up to where the answer begins. */
  prompt(row: Row): readonly number[];
  /** What the model says: what opens its answer, and the answer without its end mark. */
  response(row: Row): readonly number[];
  /** How many ids at the prompt's start are always kept: [gMASK] and sop, where they stand there. */
  readonly prefix: number;
  /** How many ids at the prompt's end are always kept: where the answer begins. */
  readonly suffix: number;
  /** What the model writes before the answer's own text. */
  readonly opening: readonly number[];
  /** The token that ends an answer. */
  readonly end: number;
}

interface RowForm extends Pick<RowWriter, "prefix" | "suffix"> {
  /** After `<|assistant|>` ChatGLM3 and GLM-4 write a line of metadata, which is empty in an answer. */
  readonly opening: string;
  /** The special token that ends an answer in the family's published fine-tuning. */
  readonly end: string;
}

const forms: Readonly<Record<Family, RowForm>> = {
  // The prompt ends with [gMASK] and sop, without which the model does not know where the answer begins.
  "chatglm-6b": { prefix: 0, suffix: 2, opening: "", end: "eos" },
  "chatglm2-6b": { prefix: 2, suffix: 1, opening: "", end: "eos" },
  "chatglm3-6b": { prefix: 2, suffix: 1, opening: "\n", end: "eos" },
  // GLM-4 hands its turn over.
  "glm-4-9b": { prefix: 2, suffix: 1, opening: "\n", end: "<|user|>" },
};

/** Writes rows as the family's chat template and its published fine-tuning scripts do. */
export function rowWriter(family: Family, tokenizer: Tokenizer): RowWriter {
  const form = forms[family];
  const end = tokenizer.specialIds[form.end];
  if (end === undefined) {
    throw new GlmError(
      "model-invalid",
      `Tokenizer: expected the special token ${form.end}, which ends an answer, got none. Load the model's own tokenizer.`,
    );
  }
  const opening = form.opening === "" ? [] : tokenizer.encode(form.opening);
  return {
    prompt: (row) => prompt(family, tokenizer, messagesOf(row)),
    response: (row) => [...opening, ...tokenizer.encodePlain(row.response)],
    prefix: form.prefix,
    suffix: form.suffix,
    opening,
    end,
  };
}

/** The ids of an answer's own text: what a model writes before it, every row's response gets again. */
export function withoutOpening(answer: readonly number[], { opening }: Pick<RowWriter, "opening">): readonly number[] {
  return opening.every((id, i) => answer[i] === id) ? answer.slice(opening.length) : answer;
}

/** The conversation that a row's answer follows. */
export function messagesOf({ system, history = [], prompt: question }: Row): Message[] {
  return [
    ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
    ...history.flatMap(([asked, answered]): Message[] => [
      { role: "user", content: asked },
      { role: "assistant", content: answered },
    ]),
    { role: "user", content: question },
  ];
}

/**
 * Encodes rows: the prompt is labelled -100, the answer and its end mark are learned. In rows that are longer than
 * `maxLength` the prompt loses its start, then the answer its end, but never the end mark: a model that was not shown
 * where answers end does not stop. `cutOf` tells how many rows lost something.
 * @throws GlmError "data-invalid" with every row of which no answer would be left
 */
export function encodeRows(rows: readonly Row[], writer: RowWriter, maxLength: number): TokenBatch {
  // Both ends of the prompt always stay, and at least one id of the answer and its end mark.
  const kept = writer.prefix + writer.suffix;
  const least = kept + writer.opening.length + 2;
  if (!Number.isInteger(maxLength) || maxLength < least) {
    throw new GlmError(
      "option-invalid",
      `maxLength: expected a whole number of tokens from ${least}, got ${maxLength}.`,
    );
  }
  const faults: string[] = [];
  const inputIds: number[][] = [];
  const labels: number[][] = [];
  const cut = { answers: 0, prompts: 0 };
  rows.forEach((row, i) => {
    try {
      const whole = writer.response(row);
      const response = whole.slice(0, maxLength - kept - 1);
      if (row.response.trim() === "" || response.length <= writer.opening.length) {
        throw new GlmError("data-invalid", "expected a response, got none that could be learned");
      }
      const answer = [...response, writer.end];
      const prompt = writer.prompt(row);
      const asked = keepEnd(prompt, writer.prefix, maxLength - answer.length);
      if (response.length < whole.length) cut.answers += 1;
      if (asked.length < prompt.length) cut.prompts += 1;
      inputIds.push([...asked, ...answer]);
      labels.push([...asked.map(() => ignored), ...answer]);
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      faults.push(`row ${i + 1} (${quoted(row.prompt, 40)}): ${error.message}`);
    }
  });
  if (faults.length > 0) {
    throw new GlmError(
      "data-invalid",
      `The data set cannot be learned; correct or remove these rows:${faultLines(faults, SHOWN)}`,
    );
  }
  const batch = { inputIds, labels };
  cuts.set(batch, cut);
  return batch;
}

/**
 * Rows as a model learns them: no longer than asked, and never longer than it reads.
 * @throws GlmError "data-invalid" with every row of which no answer would be left
 */
export function encodeForModel(
  rows: readonly Row[],
  writer: RowWriter,
  maxLength: number,
  { contextLength }: Pick<ChatGLMConfig, "contextLength">,
): TokenBatch {
  return encodeRows(rows, writer, Math.min(maxLength, contextLength));
}

/** The prompt in `room` tokens: its first `prefix` ids and as much of its end as fits. */
function keepEnd(prompt: readonly number[], prefix: number, room: number): number[] {
  if (prompt.length <= room) return [...prompt];
  return [...prompt.slice(0, prefix), ...prompt.slice(prompt.length - (room - prefix))];
}
