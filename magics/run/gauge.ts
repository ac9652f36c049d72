/** @file What a training run changed, in two numbers: trained rows that are answered exactly now, and unrelated answers that are others. */

import * as defaults from "../../src/api/defaults.ts";
import { breadthOf, isLarge } from "../../src/api/knowledge-pace.ts";
import { divide } from "../../src/api/rows.ts";
import { messagesOf } from "../../src/data/row.ts";
import type { RowStore } from "../../src/data/row-store.ts";
import {
  type AdapterHandle,
  type ChatGLM,
  type FitSettings,
  type Row,
  type Rows,
  unrelatedQuestions,
} from "../../src/index.ts";
import { parameterCount } from "../../src/models/architectures.ts";
import { plural } from "../../src/plural.ts";
import { randomStream, shuffledIndices } from "../../src/random.ts";
import { sayable } from "../../src/text/answer.ts";
import { isInterrupt } from "../interrupt.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";

export interface TrainCheck {
  /** Trained rows that are answered exactly, greedily, of those that were asked. */
  readonly recalled: number;
  readonly asked: number;
  /** Unrelated questions that are answered otherwise than by the base, of how many. */
  readonly changed: number;
  readonly unrelated: number;
}

/** Rows and questions: a large model takes seconds for an answer. */
const MOST = { small: 20, large: 5 } as const;
/** Tokens that a wrong answer may have more than the right one. */
const SPARE = 8;

/** Asks a sample of the rows, the same for the same seed, and questions that nobody trained. */
export async function gauge(
  model: ChatGLM,
  adapter: AdapterHandle,
  rows: Rows,
  { validation, seed = defaults.fit.seed.default }: FitSettings,
): Promise<TrainCheck> {
  const { train } = divide(rows, validation, seed);
  const parameters = parameterCount(model.config);
  const most = isLarge(parameters) ? MOST.large : MOST.small;
  const order = shuffledIndices(randomStream(seed, "gauge"), train.length);
  const sample = sampled(model, train, order, most);
  const questions = unrelatedQuestions.slice(0, most);
  const total = sample.length + 2 * questions.length;
  const bar = new ProgressBar({ title: `Asking ${adapter.name} what it was taught`, delay: PATIENCE });
  let before = 0;
  const onDone = (done: number): void => bar.update({ done: before + done, total });
  try {
    const single = sample.filter(isSingle);
    const maxNewTokens = SPARE + Math.max(0, ...sample.map((row) => longestAnswer(model, row)));
    const isExact = (row: Row, answer: string | undefined): boolean =>
      answer === sayable(model.family, model.tokenizer, row.response);
    const isRecalled = async (row: Row): Promise<boolean> => {
      const { prompt, history, system, turns } = row;
      if (!turns)
        return isExact(row, await model.ask(prompt, { history, system, adapter, greedy: true, maxNewTokens }));
      // Of a whole conversation, each answer that it was taught follows what comes before it.
      const { rows: asked } = await model.evaluate([row], { scores: ["exact"], adapters: [adapter], maxNewTokens });
      return asked.every(({ answers: [own] }) => own?.scores.exact === 1);
    };
    const answers = await model.askEach(
      single.map(({ prompt }) => prompt),
      { adapter, maxNewTokens, onDone },
    );
    let recalled = single.filter((row, i) => isExact(row, answers[i])).length;
    before = single.length;
    for (const row of sample) {
      if (isSingle(row)) continue;
      if (await isRecalled(row)) recalled += 1;
      onDone(1);
      before += 1;
    }
    const { answerTokens } = breadthOf(parameters);
    const base = await adapter.baseAnswers(questions, { onDone });
    before += questions.length;
    const now = await model.askEach(questions, { adapter, maxNewTokens: answerTokens, onDone });
    bar.finish();
    const changed = questions.filter((_, i) => base[i] !== now[i]).length;
    return { recalled, asked: sample.length, changed, unrelated: questions.length };
  } catch (error) {
    bar.finish(isInterrupt(error) ? "stopped" : "failed");
    throw error;
  }
}

/**
 * In two lines, with what to try where nothing was learnt to the letter.
 * @param teaching what else can be tried where there is more than training
 */
export function gaugeText(
  { recalled, asked, changed, unrelated }: TrainCheck,
  teaching = "%%knowledge add, which teaches until it is recalled",
): string {
  const rows = plural(asked, "trained row");
  const remedy = teaching
    ? `Try more --epochs, a larger --lr, or ${teaching}.`
    : "Try more --epochs, or a larger --lr.";
  const exact =
    asked === 0
      ? "No trained row was asked: none leaves room for an answer."
      : recalled === 0
        ? `Answered exactly: none of ${rows} that ${asked === 1 ? "was" : "were"} asked. ${remedy}`
        : `Answered exactly: ${recalled} of ${rows} that ${asked === 1 ? "was" : "were"} asked.`;
  return `${exact}\nAnswered otherwise than by the base: ${changed} of ${plural(unrelated, "unrelated question")}.\n`;
}

const isSingle = ({ history = [], system, turns }: Row): boolean =>
  history.length === 0 && system === undefined && turns === undefined;

const lengthOf = ({ tokenizer }: ChatGLM, response: string): number => tokenizer.encodePlain(response).length;

const longestAnswer = (model: ChatGLM, { response, turns = [] }: Row): number =>
  Math.max(lengthOf(model, response), ...turns.map(({ content }) => lengthOf(model, content)));

/** The first rows that the context has room for: longer ones were trained without their start, and cannot be asked. */
function sampled(model: ChatGLM, rows: RowStore, order: Uint32Array, most: number): readonly Row[] {
  const room = model.config.contextLength - SPARE;
  const sample: Row[] = [];
  for (const index of order) {
    if (sample.length === most) break;
    const row = rows.at(index);
    if (model.prompt(messagesOf(row)).length + lengthOf(model, row.response) <= room) sample.push(row);
  }
  return sample;
}
