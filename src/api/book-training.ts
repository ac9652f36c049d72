/** @file How a knowledge book is trained: what it is shown, what it rehearses beside it, and how far it is. */

import type { Row } from "../data/row.ts";
import type { Streams } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { type Fact, factsInvalid } from "../knowledge/fact.ts";
import { nearMisses } from "../knowledge/near-misses.ts";
import { rehearsalQuestions } from "../knowledge/questions.ts";
import type { Given } from "../options.ts";
import { plural } from "../plural.ts";
import { quoted } from "../text-cut.ts";
import { rowWriter } from "../train/row-writer.ts";
import type { TeachEvent } from "../train/teach.ts";
import type { BaseAnswer } from "./base-answers.ts";
import type { HandleContext } from "./context.ts";
import type { AskingProgress, ExamineOptions, Examiner, Lesson, Subject } from "./examiner.ts";
import type { Breadth, Pace } from "./knowledge-pace.ts";
import { type RehearsalRows, rehearsal } from "./rows.ts";
import { type Abortable, cellSignal } from "./signal.ts";

/** How far teaching is. Questions are put to the base before it, and to the book after it. */
export type KnowledgeProgress =
  | AskingProgress
  | { readonly type: "start"; readonly facts: number; readonly wordings: number; readonly budget: number }
  | { readonly type: "step"; readonly step: number; readonly budget: number; readonly loss: number }
  /** How many of the taught wordings were answered exactly when they were last asked; the book keeps the last `best`. */
  | {
      readonly type: "check";
      readonly step: number;
      readonly recalled: number;
      readonly wordings: number;
      readonly best: boolean;
    };

export interface TeachSettings extends Given<Pace>, Abortable {
  readonly onProgress?: ((progress: KnowledgeProgress) => void) | undefined;
  /** Rehearsed instead of the shipped questions; the base answers those without a response. `false`: nothing is. */
  readonly rehearse?: RehearsalRows | false | undefined;
  /** The same seed reproduces the run. */
  readonly seed?: number | undefined;
}

/** What is to be trained, and what the book will be. */
export interface Plan extends Subject {
  readonly action: "add" | "update" | "delete";
  /** The facts in question among them, not learnt yet. */
  readonly book: readonly Fact[];
}

/** What training came to where there was none. */
export const UNTRAINED: { readonly steps: number; readonly budget: number; readonly loss: number } = {
  steps: 0,
  budget: 0,
  loss: Number.NaN,
};

/**
 * Runs the training.
 * @param note told which wordings are known: none when it begins, then those of the values that are kept, however it
 * ends; and whether these are the values that there were before
 */
export async function teach(
  context: HandleContext,
  params: Streams["teach"]["params"],
  facts: number,
  { signal, onProgress }: TeachSettings,
  note: (wordings: ReadonlySet<string>, isUntouched?: boolean) => Promise<void>,
): Promise<Pick<Extract<TeachEvent, { type: "done" }>, "steps" | "loss">> {
  const { lessons } = params.rows;
  if (lessons.length === 0) return UNTRAINED;
  const promptsOf = (recalled: readonly boolean[]): ReadonlySet<string> =>
    new Set(lessons.filter((_, i) => recalled[i]).map(({ prompt }) => prompt));
  let known: ReadonlySet<string> | undefined;
  let isUntouched = true;
  try {
    for await (const event of context.engine.stream("teach", params, cellSignal(signal))) {
      if (event.type === "start") {
        // Not before: an adapter that is being trained elsewhere is refused, and its facts are not touched.
        await note(new Set());
        known = new Set();
        onProgress?.({ type: "start", facts, wordings: lessons.length, budget: event.budget });
      } else if (event.type === "step") {
        onProgress?.({ type: "step", step: event.step, budget: event.budget, loss: event.loss });
      } else if (event.type === "check") {
        const recalled = promptsOf(event.recalled);
        const { step, best } = event;
        if (best) [known, isUntouched] = [recalled, step === 0];
        onProgress?.({ type: "check", step, recalled: recalled.size, wordings: lessons.length, best });
      } else {
        await note(promptsOf(event.recalled));
        return event;
      }
    }
    throw new Error("teaching ended without saying so");
  } catch (error) {
    // A runtime that is gone left what it wrote last, maybe worse than the best: nothing is known until it is asked.
    const isLost = error instanceof GlmError && error.code === "runtime-lost";
    // Why it ended matters more than that this could not be written.
    if (known && !isLost) await note(known, isUntouched).catch(() => undefined);
    throw error;
  }
}

/** What is rehearsed: the base's own answers to everyday questions, and to names near the keys. */
export async function rehearsalRows(
  examiner: Examiner,
  breadth: Breadth,
  plan: Plan,
  given: RehearsalRows | undefined,
  options: ExamineOptions,
): Promise<readonly (readonly Row[])[]> {
  const { rehearsed, nearMisses: each, mostNearMisses } = breadth;
  const rows = rehearsal(given ?? rehearsalQuestions.slice(0, rehearsed));
  const count = Math.max(1, Math.min(each, Math.floor(mostNearMisses / plan.lessons.length)));
  const near = plan.lessons.flatMap(({ fact: { key, text } }) => nearMisses(key, text, count, plan.keys, "rehearsed"));
  const open = rows.filter(({ response }) => response === "").map(({ prompt }) => prompt);
  const answers = await examiner.base([...open, ...near], options);
  const facts = [...plan.book, ...plan.lessons.map(({ fact }) => fact)];
  const taken = new Set(facts.flatMap(({ prompts, paraphrases }) => [...prompts, ...paraphrases]));
  const answered = (prompts: readonly string[]): Row[] =>
    prompts.flatMap((prompt) => {
      const answer = answers.get(prompt);
      // An answer that was cut off would teach the model to stop there.
      return answer?.complete && answer.text.trim() !== "" ? [{ prompt, response: answer.text }] : [];
    });
  const usual = [...rows.filter(({ response }) => response !== ""), ...answered(open)];
  return [usual.filter(({ prompt }) => !taken.has(prompt)), answered(near).filter(({ prompt }) => !taken.has(prompt))];
}

/** @throws GlmError "data-invalid" for texts that the context has no room for */
export function factsMustFit(context: HandleContext, { action, lessons }: Plan): void {
  if (action === "delete") return;
  const writer = rowWriter(context.info.family, context.tokenizer);
  const faults = lessons.flatMap(({ fact }) => {
    // Paraphrases, too: they are asked after training, which must not have been for nothing.
    const wordings = [...fact.prompts, ...fact.paraphrases];
    const asked = Math.max(...wordings.map((prompt) => writer.prompt({ prompt, response: "" }).length));
    const room = Math.max(0, context.info.config.contextLength - asked - 1);
    const pieces = writer.response({ prompt: "", response: fact.text }).length;
    if (pieces <= room) return [];
    if (room === 0)
      return [
        `${quoted(fact.key)}: its longest wording has ${asked} tokens, which leaves no room for an answer. Shorten the key, or its wordings.`,
      ];
    const fault = `its text has ${plural(pieces, "piece")} (tokens), and the context leaves room for ${room}. Shorten it, or its longest wording.`;
    return [`${quoted(fact.key)}: ${fault}`];
  });
  if (faults.length > 0) throw factsInvalid(action, faults);
}

/** Rows to teach. What the base left unanswered cannot be taught. */
export function rowsOf({ fact, answers }: Lesson): Row[] {
  return fact.prompts.flatMap((prompt) => {
    const response = answers.get(prompt)?.text ?? "";
    return response.trim() === "" ? [] : [{ prompt, response }];
  });
}

/**
 * What a fact's wordings are to be answered with when it is forgotten: the base's own answers. A wording that the base leaves
 * unanswered, or answers without end, gets what it says to another one, so that it can be forgotten at all.
 */
export function toForget(
  { prompts, paraphrases }: Fact,
  base: ReadonlyMap<string, BaseAnswer>,
): ReadonlyMap<string, BaseAnswer> {
  const wordings = [...prompts, ...paraphrases];
  const isWhole = (answer: BaseAnswer | undefined): boolean => answer?.complete === true && answer.text.trim() !== "";
  const other = wordings.map((wording) => base.get(wording)).find(isWhole);
  const answer = (wording: string): BaseAnswer => {
    const own = base.get(wording) ?? NO_ANSWER;
    return isWhole(own) ? own : (other ?? own);
  };
  return new Map(wordings.map((wording) => [wording, answer(wording)]));
}

const NO_ANSWER: BaseAnswer = { text: "", complete: true };
