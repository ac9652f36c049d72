/** @file How each family writes rows in token ids: its chat template, and the marks that open and end an answer. */
import { messagesOf, type Row, type RowTurn } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import type { Family } from "../models/family.ts";
import { answerRole, prompt, type WrittenMessage, writtenConversation } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** A whole conversation in token ids. */
export interface WrittenTurns {
  readonly start: readonly number[];
  readonly messages: readonly WrittenMessage<RowTurn>[];
}

/** How a family writes a row in token ids. */
export interface RowWriter {
  /** Everything up to where the answer begins. */
  prompt(row: Row): readonly number[];
  /** What the model says: what opens its answer, and the answer without its end mark. */
  response(row: Row): readonly number[];
  /** @throws GlmError "option-invalid" in families without roles */
  turns(turns: readonly RowTurn[]): WrittenTurns;
  /** How many ids at the prompt's start are always kept: [gMASK] and sop, where they stand there. */
  readonly prefix: number;
  /** How many ids at the prompt's end are always kept: where the answer begins. */
  readonly suffix: number;
  /** What the model writes before the answer's own text. */
  readonly opening: readonly number[];
  /** The token that ends an answer. */
  readonly end: number;
  /** The token that opens an answer; undefined in families without roles. */
  readonly role: number | undefined;
  /** Whether text may be cut after these ids: not in the midst of a character's bytes. */
  isWhole(ids: readonly number[]): boolean;
  /** Whether these ids say nothing. */
  isBlank(ids: readonly number[]): boolean;
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
    turns: (turns) => writtenConversation(family, tokenizer, turns),
    prefix: form.prefix,
    suffix: form.suffix,
    opening,
    end,
    role: answerRole(family, tokenizer),
    isWhole(ids) {
      const stream = tokenizer.stream();
      for (const id of ids) stream.push(id);
      return stream.end() === "";
    },
    isBlank: (ids) => tokenizer.decode(ids).trim() === "",
  };
}

/** The ids of an answer's own text: what a model writes before it, every row's response gets again. */
export function withoutOpening(answer: readonly number[], { opening }: Pick<RowWriter, "opening">): readonly number[] {
  return opening.every((id, i) => answer[i] === id) ? answer.slice(opening.length) : answer;
}
