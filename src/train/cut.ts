/** @file Rows that are longer than they may be: what is cut from them, where, and how much it was. */
import { GlmError } from "../errors.ts";
import type { RowWriter } from "./row-writer.ts";

/** How long a row may be, in tokens. */
export interface RowLimits {
  readonly maxLength: number;
  /** Of the prompt alone; 0 leaves it what the answer leaves. */
  readonly maxPromptLength?: number;
}

/** What did not fit into the longest length: something of what the model reads or learns. */
export interface Cut {
  /** Rows whose answer lost its end. */
  readonly answers: number;
  /** Rows whose prompt lost its start: the system prompt and earlier rounds go first. */
  readonly prompts: number;
  /** Rows that lost either. */
  readonly rows: number;
  /** Tokens that were lost. */
  readonly tokens: number;
}

/** What rows lost, counted one by one. */
export class CutCount {
  readonly #cut = { answers: 0, prompts: 0, rows: 0, tokens: 0 };

  /** @param lost tokens of a row */
  add({ answer, prompt }: { readonly answer: number; readonly prompt: number }): void {
    this.#cut.answers += answer > 0 ? 1 : 0;
    this.#cut.prompts += prompt > 0 ? 1 : 0;
    this.#cut.rows += answer + prompt > 0 ? 1 : 0;
    this.#cut.tokens += answer + prompt;
  }

  get total(): Cut {
    return { ...this.#cut };
  }
}

/** What sets of rows lost together; undefined when that is nothing. */
export function sumOfCuts(cuts: readonly Cut[]): Cut | undefined {
  const sumOf = (name: keyof Cut): number => cuts.reduce((sum, cut) => sum + cut[name], 0);
  const cut = { answers: sumOf("answers"), prompts: sumOf("prompts"), rows: sumOf("rows"), tokens: sumOf("tokens") };
  return cut.rows === 0 ? undefined : cut;
}

/** A row before it is cut. */
export interface WholeRow {
  /** Everything up to where the answer begins. */
  readonly prompt: readonly number[];
  /** What of it is learnt: answers of earlier turns. */
  readonly labels: readonly number[];
  /** The answer, without its end mark; all of it is learnt. */
  readonly answer: readonly number[];
  /** How many of its ids come before its own text. */
  readonly opening: number;
  /** The token that ends it. */
  readonly end: number;
}

type Bounds = Pick<RowWriter, "prefix" | "suffix" | "opening" | "isWhole" | "isBlank">;

/** The least that a row can be cut to. */
export const smallestLength = ({ prefix, suffix, opening }: Bounds): number => prefix + suffix + opening.length + 2;

/**
 * A row within its limits.
 * @throws GlmError "data-invalid" when nothing would be left of its answer
 */
export function cutRow(
  { prompt, labels, answer, opening, end }: WholeRow,
  { prefix, suffix, isWhole, isBlank }: Bounds,
  { maxLength, maxPromptLength = 0 }: RowLimits,
): {
  readonly ids: readonly number[];
  readonly labels: readonly number[];
  readonly lost: { readonly prompt: number; readonly answer: number };
} {
  const kept = prefix + suffix;
  const said = answer.slice(0, wholeLength(answer, maxLength - kept - 1, isWhole));
  if (said.length <= opening || (said.length < answer.length && isBlank(said.slice(opening)))) {
    throw new GlmError(
      "data-invalid",
      `expected room for one character of its answer, got ${maxLength} tokens. Raise maxLength (--max-length)`,
    );
  }
  const room = maxLength - said.length - 1;
  const most = Math.max(kept, maxPromptLength > 0 ? Math.min(room, maxPromptLength) : room);
  const from = prompt.length <= most ? prefix : wholeStart(prompt, prompt.length - (most - prefix), suffix, isWhole);
  const keep = <T>(items: readonly T[]): T[] => [...items.slice(0, prefix), ...items.slice(from)];
  return {
    ids: [...keep(prompt), ...said, end],
    labels: [...keep(labels), ...said, end],
    lost: { prompt: from - prefix, answer: answer.length - said.length },
  };
}

/** At most so many ids, without the beginning of a character that would lose its end. */
function wholeLength(ids: readonly number[], most: number, isWhole: Bounds["isWhole"]): number {
  if (ids.length <= most) return ids.length;
  let length = most;
  while (length > 0 && !isWhole(ids.slice(0, length))) length -= 1;
  return length;
}

/** Where the rest of a prompt begins: not in the midst of a character. */
function wholeStart(ids: readonly number[], from: number, suffix: number, isWhole: Bounds["isWhole"]): number {
  const last = ids.length - suffix;
  let start = from;
  while (start < last && !isWhole(ids.slice(0, start))) start += 1;
  return start;
}
