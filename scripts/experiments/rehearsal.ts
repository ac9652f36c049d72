/** @file What rehearsal costs and what it saves: the same facts, a book each, with more or fewer rows rehearsed in a step. */

import { paceRules } from "../../src/api/knowledge-pace.ts";
import { lora, type TeachSettings } from "../../src/index.ts";
import { sizeOf } from "../../src/tensor.ts";
import { experimentFacts, inputOf } from "./facts.ts";
import { type Judgement, judge, total, unrelatedAnswers } from "./judge.ts";
import { Clock, type Laboratory, settingsOf } from "./laboratory.ts";

export interface Setting {
  readonly setting: string;
  /** Rows rehearsed in a step. */
  readonly perStep: number;
  readonly isDefault: boolean;
  readonly seconds: number;
  readonly steps: number;
  /** Sums over the facts. */
  readonly end: Judgement;
}

const BOOK = "rehearsal";

export async function rehearsal(laboratory: Laboratory): Promise<{
  readonly facts: number;
  readonly settings: readonly Setting[];
}> {
  const { glm, sizes, seed, say } = laboratory;
  const facts = experimentFacts(sizes.rehearsal.facts, seed);
  const base = await unrelatedAnswers(glm);
  const parameters = glm.info.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const usual = paceRules(lora(), parameters, 1).rehearsePerStep.default;
  const numbers = [...new Set([...sizes.rehearsal.perStep, usual])].sort((a, b) => a - b);
  const tried: Setting[] = [];
  for (const perStep of [0, ...numbers]) {
    const rehearsed = perStep === 0 ? ({ rehearse: false } as const) : { rehearsePerStep: perStep };
    const settings: TeachSettings = { ...settingsOf(laboratory), ...rehearsed };
    const clock = new Clock();
    const judgements: Judgement[] = [];
    let steps = 0;
    for (const fact of facts) {
      const book = await glm.knowledge(BOOK);
      steps += (await clock.run(() => book.add(inputOf(fact), settings))).steps;
      judgements.push(await judge(glm, BOOK, [fact], base));
      await book.adapter.dispose();
    }
    const setting = perStep === 0 ? "off" : `${perStep} a step`;
    const end = total(judgements);
    tried.push({ setting, perStep, isDefault: perStep === usual, seconds: clock.seconds, steps, end });
    say(
      `${setting}: ${steps} steps, ${end.unchanged} of ${end.unrelated} unchanged, ${end.unknown} of ${end.nearMisses} unknown`,
    );
  }
  return { facts: facts.length, settings: tried };
}
