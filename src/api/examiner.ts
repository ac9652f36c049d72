/** @file Asks a knowledge book and the base beneath it, and makes of the answers what a report tells. */
import type { AdapterRef } from "../engine/engine.ts";
import type { Fact } from "../knowledge/fact.ts";
import { givesAway, nearMisses } from "../knowledge/near-misses.ts";
import { unrelatedQuestions } from "../knowledge/questions.ts";
import type { FactReport, LocalityReport, ReportData } from "../knowledge/report.ts";
import { denialsOf } from "../knowledge/wordings.ts";
import { sayable } from "../text/answer.ts";
import { rowWriter } from "../train/row-writer.ts";
import { version } from "../version.ts";
import { askRows } from "./ask-rows.ts";
import { type AskBase, type BaseAnswer, baseAnswers } from "./base-answers.ts";
import { baseOf, type HandleContext } from "./context.ts";
import type { Breadth } from "./knowledge-pace.ts";
import { type Abortable, cellSignal } from "./signal.ts";

/** Told while questions are put. */
export interface AskingProgress {
  readonly type: "asking";
  readonly whom: "base" | "book";
  readonly done: number;
  readonly total: number;
}

export interface ExamineOptions extends Abortable {
  readonly onProgress?: ((progress: AskingProgress) => void) | undefined;
}

/** A fact with the answer that each of its wordings, taught or not, is to get. */
export interface Lesson {
  readonly fact: Fact;
  readonly answers: ReadonlyMap<string, BaseAnswer>;
}

/** What is examined. */
export interface Subject {
  readonly action: ReportData["action"];
  readonly lessons: readonly Lesson[];
  /** Facts that were known before and are to be known still. */
  readonly kept: readonly Fact[];
  /** Keys of the whole book: near misses are none of them. */
  readonly keys: readonly string[];
  /** The text that an update replaces. */
  readonly outdated?: string | undefined;
}

export type Examined = Pick<ReportData, "facts" | "locality" | "denials" | "kept" | "outdated"> & {
  /** Keys of the kept facts that are known. */
  readonly known: ReadonlySet<string>;
};

export class Examiner {
  readonly #context: HandleContext;
  readonly #ref: AdapterRef;
  readonly #breadth: Breadth;

  constructor(context: HandleContext, ref: AdapterRef, breadth: Breadth) {
    this.#context = context;
    this.#ref = ref;
    this.#breadth = breadth;
  }

  /** The answer that a text is when it is given exactly. */
  sayable(text: string): string {
    return sayable(this.#context.info.family, this.#context.tokenizer, text);
  }

  /** The fact with its own text for every wording. */
  lesson(fact: Fact): Lesson {
    const answer = { text: this.sayable(fact.text), complete: true };
    return { fact, answers: new Map([...fact.prompts, ...fact.paraphrases].map((wording) => [wording, answer])) };
  }

  /** Puts all questions at once. */
  async examine(subject: Subject, options: ExamineOptions): Promise<Examined> {
    const { action, lessons, kept, keys, outdated } = subject;
    const facts = lessons.map(({ fact }) => fact);
    const denials = action === "delete" ? [] : facts.slice(0, 1).flatMap(({ key, text }) => denialsOf(key, text));
    const near = this.#nearMisses(facts, keys);
    const unrelated = unrelatedQuestions.slice(0, this.#breadth.unrelated);
    const base = await this.base([...unrelated, ...near], options);
    const wordings = facts.flatMap(({ prompts, paraphrases }) => [...prompts, ...paraphrases]);
    const old = kept.flatMap(({ prompts }) => prompts);
    const answers = lessons.flatMap((lesson) => [...lesson.answers.values()]);
    const texts = [...facts, ...kept, ...answers].map(({ text }) => text);
    const said = await this.book([...wordings, ...denials, ...near, ...unrelated, ...old], texts, options);
    const answer = (question: string): string => said.get(question) ?? "";

    const changed = unrelated.flatMap((question) => {
      const [before, after] = [base.get(question), answer(question)];
      return isSame(before, after) ? [] : [{ question, before: before?.text ?? "", after }];
    });
    // What the base says, too, is nothing that was learnt.
    const given = near.filter(
      (question) =>
        !isSame(base.get(question), answer(question)) && facts.some((fact) => givesAway(answer(question), fact)),
    );
    const locality: LocalityReport = {
      unchanged: unrelated.length - changed.length,
      unrelated: unrelated.length,
      changed,
      nearMisses: {
        unknown: near.length - given.length,
        asked: near.length,
        given: given.map((question) => ({ question, answer: answer(question) })),
      },
    };
    const isKnown = ({ prompts, text }: Fact): boolean => {
      const expected = this.sayable(text);
      return prompts.every((prompt) => answer(prompt) === expected);
    };
    const known = new Set(kept.filter(isKnown).map(({ key }) => key));
    const lost = kept.filter(({ key }) => !known.has(key)).map(({ key }) => key);
    const replaced = outdated === undefined ? undefined : this.sayable(outdated);
    return {
      facts: lessons.map((lesson) => reportOf(lesson, answer)),
      locality,
      denials: denials.map((question) => ({ question, answer: answer(question) })),
      kept: { recalled: known.size, facts: kept.length, lost },
      outdated: wordings.filter((question) => answer(question) === replaced).length,
      known,
    };
  }

  /**
   * Greedy answers of the book, by question.
   * @param texts that may be answered, for room
   */
  async book(
    questions: readonly string[],
    texts: readonly string[],
    { signal, onProgress }: ExamineOptions,
  ): Promise<ReadonlyMap<string, string>> {
    const wanted = [...new Set(questions)];
    const { tokenizer } = this.#context;
    const longest = Math.max(
      this.#breadth.answerTokens,
      ...texts.map((text) => tokenizer.encodePlain(text).length + 8),
    );
    const answers = await askRows(this.#context, wanted, {
      adapter: this.#ref,
      maxNewTokens: longest,
      onAnswer: (_place, _answer, done) => onProgress?.({ type: "asking", whom: "book", done, total: wanted.length }),
      ...cellSignal(signal),
    });
    return new Map(wanted.map((question, i) => [question, answers[i]?.text ?? ""]));
  }

  /** Answers of the base: each question is put once, for as long as the model's files and their form stay. */
  base(questions: readonly string[], { signal, onProgress }: ExamineOptions): Promise<ReadonlyMap<string, BaseAnswer>> {
    const { info, merged, generation } = this.#context;
    const adapter = baseOf(this.#context);
    const maxNewTokens = this.#breadth.answerTokens;
    const report = (done: number, total: number): void => onProgress?.({ type: "asking", whom: "base", done, total });
    const ask: AskBase = (missing, onAnswer) =>
      askRows(this.#context, missing, { adapter, maxNewTokens, onAnswer, ...cellSignal(signal) });
    // A merged adapter is part of what its owner sees as the base, and is nobody else's. Another version may ask otherwise.
    const key = merged.length === 0 ? JSON.stringify([version, info.key, maxNewTokens, generation.stop]) : undefined;
    return baseAnswers(key, questions, ask, report);
  }

  /** The scores of one question without the adapter. */
  async scores({ signal }: Abortable): Promise<Float32Array> {
    const { engine, info, tokenizer } = this.#context;
    const inputIds = [rowWriter(info.family, tokenizer).prompt({ prompt: PROBE, response: "" })];
    const params = { model: info.key, inputIds, adapter: baseOf(this.#context), positions: [-1] };
    return (await engine.call("logits", params, cellSignal(signal))).data;
  }

  /** Whether the model without the adapter is what it was when `before` was taken, to the last bit. */
  async baseUnchanged(before: Float32Array, options: ExamineOptions): Promise<ReportData["base"]> {
    const after = await this.scores(options);
    const answer = (await this.base([PROBE], options)).get(PROBE)?.text ?? "";
    return { question: PROBE, answer, identical: after.every((score, i) => Object.is(score, before[i])) };
  }

  /** Names near the keys, drawn evenly from the facts. */
  #nearMisses(facts: readonly Fact[], keys: readonly string[]): string[] {
    const { asked } = this.#breadth;
    const lists = facts.slice(0, asked).map(({ key, text }) => nearMisses(key, text, asked, keys, "asked"));
    const evenly = Array.from({ length: asked }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
    return [...new Set(evenly)].slice(0, asked);
  }
}

/** The question that shows that the base is as it was. */
const PROBE = unrelatedQuestions[0] as string;

/** An answer of the base that was cut off is the beginning of what a book says that has room for longer texts. */
function isSame(before: BaseAnswer | undefined, after: string): boolean {
  if (before === undefined || before.complete) return after === (before?.text ?? "");
  // The cut may be within a character.
  return after.startsWith(before.text.replace(/\uFFFD+$/, ""));
}

function reportOf({ fact, answers }: Lesson, answer: (question: string) => string): FactReport {
  const { key, prompts, paraphrases } = fact;
  const isExact = (question: string): boolean => isSame(answers.get(question), answer(question));
  const failure = prompts.find((prompt) => !isExact(prompt));
  return {
    key,
    recalled: prompts.filter(isExact).length,
    prompts: prompts.length,
    generalized: paraphrases.filter(isExact).length,
    paraphrases: paraphrases.length,
    learned: failure === undefined,
    ...(failure === undefined ? {} : { failure: { prompt: failure, answer: answer(failure) } }),
  };
}
