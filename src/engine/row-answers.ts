/** @file What is answered to rows while an adapter trains: whether they are known, and how good the answers are. */
import { setImmediate as turn } from "node:timers/promises";
import type { AdapterEffect } from "../adapters/adapter.ts";
import { eachAnswer } from "../data/each-answer.ts";
import type { Row } from "../data/row.ts";
import { generate } from "../generate/generate.ts";
import type { ForwardModel } from "../generate/model.ts";
import { GREEDY } from "../generate/sampler.ts";
import { type ScoreName, scores } from "../scores/score.ts";
import { textOf } from "../text/answer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { referenceOf } from "../train/reference.ts";
import type { RowWriter } from "../train/row-writer.ts";
import type { TimeShare } from "./time-share.ts";

/** How many rows are asked in one decoding run. */
const ASKED_AT_ONCE = 32;

/** Longest answer that is scored, in tokens. */
const SCORED_ANSWER = 256;

/** Who answers, and when it is given up. */
export interface Asking {
  readonly effect: AdapterEffect | undefined;
  /** Token ids that end an answer. */
  readonly stop: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

interface Question {
  readonly ids: readonly number[];
  /** Longest answer, in tokens. */
  readonly longest: number;
}

interface Answer {
  readonly ids: readonly number[];
  readonly isComplete: boolean;
}

export class RowAnswers {
  readonly #forward: ForwardModel;
  readonly #share: TimeShare;
  readonly #tokenizer: Tokenizer;
  readonly #writer: RowWriter;

  constructor(forward: ForwardModel, share: TimeShare, tokenizer: Tokenizer, writer: RowWriter) {
    this.#forward = forward;
    this.#share = share;
    this.#tokenizer = tokenizer;
    this.#writer = writer;
  }

  /** Whether rows are answered exactly, greedily and freely. */
  async recalls(rows: readonly Row[], asking: Asking): Promise<boolean[]> {
    const expected = rows.map((row) => this.#writer.response(row));
    const questions = rows.map((row, i) => ({
      ids: this.#writer.prompt(row),
      longest: (expected[i]?.length ?? 0) + 1,
    }));
    const answers = await this.#answers(questions, asking);
    return answers.map(({ ids, isComplete }, i) => isComplete && this.#says(ids, expected[i] ?? []));
  }

  /** A score of what is answered to rows greedily; of conversations, to each of their questions. */
  async score(rows: readonly Row[], name: ScoreName, asking: Asking): Promise<number> {
    const { family, contextLength } = this.#forward.config;
    const cases = eachAnswer(rows);
    const questions = cases.map(({ question }) => {
      const ids = this.#writer.prompt(question);
      return { ids, longest: Math.max(0, Math.min(SCORED_ANSWER, contextLength - ids.length)) };
    });
    const answers = await this.#answers(questions, asking);
    const scored = cases.map((one, i) => ({
      answer: textOf(family, this.#tokenizer, answers[i]?.ids ?? []),
      reference: referenceOf(family, this.#tokenizer, one),
      prompt: one.row.prompt,
    }));
    return scores[name].score(scored).total;
  }

  /** In the order of the questions. */
  async #answers(questions: readonly Question[], { effect, stop, signal }: Asking): Promise<readonly Answer[]> {
    const answers = questions.map(() => ({ ids: [] as number[], isComplete: false }));
    // Rows of like lengths share a run, or short ones would wait for long ones.
    const order = [...questions.keys()].sort((a, b) => (questions[a]?.longest ?? 0) - (questions[b]?.longest ?? 0));
    for (let at = 0; at < order.length; at += ASKED_AT_ONCE) {
      const members = order.slice(at, at + ASKED_AT_ONCE);
      const prompts = members.map((i) => ({ ids: questions[i]?.ids ?? [], effect }));
      const longest = Math.max(...members.map((i) => questions[i]?.longest ?? 0));
      const options = { ...GREEDY, maxNewTokens: longest, stop };
      for await (const event of this.#share.training(generate(this.#forward, prompts, options))) {
        // Others have their turn, and it can be given up, without waiting for all answers.
        await turn();
        signal?.throwIfAborted();
        if (event.type === "prompt") continue;
        const answer = answers[members[event.row] as number];
        if (event.type === "token") answer?.ids.push(event.token);
        else if (event.reason === "stop" && answer) answer.isComplete = true;
      }
    }
    return answers;
  }

  /** The same ids, or others that say the same. */
  #says(answer: readonly number[], expected: readonly number[]): boolean {
    if (String(answer) === String(expected)) return true;
    return this.#tokenizer.decode(answer) === this.#tokenizer.decode(expected);
  }
}
