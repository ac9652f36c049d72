/**
 * @file One fact to a fresh LoRA, in two ways: the fixed 60 steps of the first notebook, and a book that stops when every
 * wording is answered.
 */
import { dataset, type Fact, lora, rehearsalQuestions } from "../../src/index.ts";
import { experimentFacts, inputOf } from "./facts.ts";
import { type Judgement, judge, total, unrelatedAnswers } from "./judge.ts";
import { Clock, everyLinear, type Laboratory, settingsOf } from "./laboratory.ts";

export interface Recipe {
  readonly recipe: string;
  readonly seconds: number;
  readonly steps: number;
  /** Sums over the facts. */
  readonly end: Judgement;
}

const NAME = "recipe";

export async function oldRecipe(
  laboratory: Laboratory,
): Promise<{ readonly facts: number; readonly recipes: readonly Recipe[] }> {
  const { glm, sizes, seed, say } = laboratory;
  const facts = experimentFacts(sizes.facts, seed);
  const base = await unrelatedAnswers(glm);
  const answers = await glm.askEach(rehearsalQuestions);
  const rehearse = rehearsalQuestions.map((prompt, i) => ({ prompt, response: answers[i] ?? "" }));

  const fixed = async (fact: Fact): Promise<number> => {
    const adapter = await glm.createAdapter(NAME, lora({ r: 8, targets: everyLinear }), { seed });
    const rows = dataset(fact.prompts.map((prompt) => ({ prompt, response: fact.text })));
    const options = { lr: 3e-3, scheduler: "linear", batchSize: 8, rehearse, rehearsePerBatch: 16, seed } as const;
    let steps = 0;
    for await (const event of adapter.fit(rows, { ...options, epochs: sizes.oldSteps })) {
      if (event.type === "step") steps += 1;
    }
    return steps;
  };
  const untilRecalled = async (fact: Fact): Promise<number> =>
    (await (await glm.knowledge(NAME)).add(inputOf(fact), settingsOf(laboratory))).steps;

  const recipes: Recipe[] = [];
  for (const [recipe, teach] of [
    [`fixed ${sizes.oldSteps} steps`, fixed],
    ["book", untilRecalled],
  ] as const) {
    const clock = new Clock();
    const judgements: Judgement[] = [];
    let steps = 0;
    for (const fact of facts) {
      steps += await clock.run(() => teach(fact));
      judgements.push(await judge(glm, NAME, [fact], base));
      await (await glm.adapter(NAME)).dispose();
    }
    const end = total(judgements);
    recipes.push({ recipe, seconds: clock.seconds, steps, end });
    say(`${recipe}: ${end.recalled} of ${end.facts} learnt, ${end.unchanged} of ${end.unrelated} unchanged`);
  }
  return { facts: facts.length, recipes };
}
