/**
 * @file The same facts taught in four ways: all at once, in groups, one after another in one book, and one after another with
 * each update merged into the weights before the next. What is still recalled at the end, and on the way?
 */
import { join } from "node:path";
import { type ChatGLM, type Fact, load, rehearsalQuestions, type TeachSettings } from "../../src/index.ts";
import { experimentFacts, inputOf } from "./facts.ts";
import { type Judgement, judge, recalledOf, unrelatedAnswers } from "./judge.ts";
import { Clock, type Laboratory, settingsOf } from "./laboratory.ts";

export interface Way {
  readonly way: string;
  /** Of teaching, its reports included. */
  readonly seconds: number;
  readonly steps: number;
  /** Facts taught so far, and how many of them are recalled then. */
  readonly curve: readonly { readonly taught: number; readonly recalled: number }[];
  readonly end: Judgement;
}

const BOOK = "together";

export async function together(
  laboratory: Laboratory,
): Promise<{ readonly facts: number; readonly ways: readonly Way[] }> {
  const { glm, sizes, seed } = laboratory;
  const facts = experimentFacts(sizes.inTurn, seed);
  const base = await unrelatedAnswers(glm);
  const ways: Way[] = [];
  for (const [way, group] of [
    ["all at once", facts.length],
    [`groups of ${sizes.group}`, sizes.group],
    ["one by one", 1],
  ] as const) {
    ways.push(await inOneBook(laboratory, way, facts, group, base));
  }
  ways.push(await merged(laboratory, facts, base));
  return { facts: facts.length, ways };
}

async function inOneBook(
  laboratory: Laboratory,
  way: string,
  facts: readonly Fact[],
  group: number,
  base: ReadonlyMap<string, string>,
): Promise<Way> {
  const { glm, sizes, say } = laboratory;
  const clock = new Clock();
  const curve: Way["curve"][number][] = [];
  let steps = 0;
  const book = await glm.knowledge(BOOK);
  try {
    for (let at = 0; at < facts.length; at += group) {
      const some = facts.slice(at, at + group).map((fact) => inputOf(fact));
      const report = await clock.run(() => book.add(some, settingsOf(laboratory)));
      steps += report.steps;
      const taught = Math.min(at + group, facts.length);
      if (group === 1 && !sizes.askedAt.includes(taught)) continue;
      curve.push({ taught, recalled: await recalledOf(glm, BOOK, facts.slice(0, taught)) });
      say(`${way}: ${curve.at(-1)?.recalled} of ${taught} recalled`);
    }
    return { way, seconds: clock.seconds, steps, curve, end: await judge(glm, BOOK, facts, base) };
  } finally {
    await book.adapter.dispose();
  }
}

async function merged(laboratory: Laboratory, facts: readonly Fact[], base: ReadonlyMap<string, string>): Promise<Way> {
  const { glm, sizes, workspace, say } = laboratory;
  const way = "one by one, merged";
  const clock = new Clock();
  const curve: Way["curve"][number][] = [];
  // What the first model said is what is to stay; the next would rehearse the faults of the one before.
  const answers = await glm.askEach(rehearsalQuestions);
  const rehearse = rehearsalQuestions.map((prompt, i) => ({ prompt, response: answers[i] ?? "" }));
  const settings = { ...settingsOf(laboratory), rehearse };
  let steps = 0;
  let model = glm;
  try {
    for (const [i, fact] of facts.entries()) {
      const next = await clock.run(() => taughtAndMerged(model, fact, settings, join(workspace, `merged-${i}`)));
      if (model !== glm) await model.dispose();
      model = next.model;
      steps += next.steps;
      const taught = i + 1;
      if (!sizes.askedAt.includes(taught)) continue;
      curve.push({ taught, recalled: await recalledOf(model, null, facts.slice(0, taught)) });
      say(`${way}: ${curve.at(-1)?.recalled} of ${taught} recalled`);
    }
    return { way, seconds: clock.seconds, steps, curve, end: await judge(model, null, facts, base) };
  } finally {
    if (model !== glm) await model.dispose();
  }
}

async function taughtAndMerged(
  model: ChatGLM,
  fact: Fact,
  settings: TeachSettings,
  folder: string,
): Promise<{ readonly model: ChatGLM; readonly steps: number }> {
  const book = await model.knowledge(BOOK);
  const { steps } = await book.add(inputOf(fact), settings);
  await model.save(folder, { adapter: BOOK });
  await book.adapter.dispose();
  return { model: await load(folder, { runtime: "none" }), steps };
}
