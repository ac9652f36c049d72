/** @file Many prompts at once: greedy answers of the base and of adapters, in batches of like lengths. */
import type { EngineOptions, GenerateRow } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { GREEDY } from "../generate/sampler.ts";
import { AnswerText } from "../text/answer.ts";
import { prompt } from "../text/prompt.ts";
import { quoted } from "../text-cut.ts";
import type { BaseAnswer } from "./base-answers.ts";
import type { HandleContext } from "./context.ts";

/** Rows that decode together: more of them wait longer for the longest answer. */
const AT_ONCE = 32;

export interface AnswerOptions extends EngineOptions {
  /** Longest answer in tokens. */
  readonly maxNewTokens: number;
  /** Told each answer with its prompt's place as soon as it is whole, and how many are. */
  readonly onAnswer?: (place: number, answer: BaseAnswer, done: number) => void;
}

export interface AskRowsOptions extends AnswerOptions {
  readonly adapter: GenerateRow["adapter"];
}

/** Greedy answers in the questions' order; `complete` when the answer ended by itself. */
export async function askRows(
  context: HandleContext,
  questions: readonly string[],
  { adapter, ...options }: AskRowsOptions,
): Promise<BaseAnswer[]> {
  const { info, tokenizer } = context;
  const prompts = questions.map((content) => prompt(info.family, tokenizer, [{ role: "user", content }]));
  questionsMustFit(questions, prompts, info.config.contextLength);
  return answerRows(
    context,
    prompts.map((ids) => ({ ids, adapter })),
    options,
  );
}

/** Greedy answers to prompts, each of its own adapter, in the prompts' order. */
export async function answerRows(
  context: HandleContext,
  asked: readonly GenerateRow[],
  options: AnswerOptions,
): Promise<BaseAnswer[]> {
  const { maxNewTokens, onAnswer, signal } = options;
  const { engine, info, tokenizer, generation } = context;
  const order = [...asked.keys()].sort((a, b) => (asked[a]?.ids.length ?? 0) - (asked[b]?.ids.length ?? 0));
  const answers: BaseAnswer[] = [];
  let done = 0;
  for (let at = 0; at < order.length; at += AT_ONCE) {
    const members = order.slice(at, at + AT_ONCE);
    const rows = members.map((i) => asked[i] as GenerateRow);
    const params = { model: info.key, rows, options: { ...GREEDY, maxNewTokens, stop: generation.stop } };
    const texts = members.map(() => ({ said: "", text: new AnswerText(info.family, tokenizer) }));
    for await (const event of engine.stream("generate", params, signal ? { signal } : {})) {
      if (event.type === "prompt") continue;
      const row = texts[event.row] as (typeof texts)[number];
      row.said += event.type === "token" ? row.text.push(event.token) : row.text.end();
      if (event.type !== "end") continue;
      const place = members[event.row] as number;
      const answer = { text: row.said, complete: event.reason === "stop" };
      answers[place] = answer;
      onAnswer?.(place, answer, ++done);
    }
  }
  return answers;
}

/**
 * Refuses prompts that leave no room for an answer.
 * The engine gets the rows in another order, and would count them in that. Books put questions that nobody has written, so
 * that a number alone says little.
 */
export function questionsMustFit(
  questions: readonly string[],
  prompts: readonly (readonly number[])[],
  context: number,
): void {
  const at = prompts.findIndex(({ length }) => length >= context);
  if (at < 0) return;
  throw new GlmError(
    "data-invalid",
    `question ${at + 1}: expected fewer than ${context} tokens (the model's context), got ${prompts[at]?.length}: ` +
      `${quoted(questions[at] ?? "")}. Shorten it.`,
  );
}
