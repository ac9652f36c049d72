/**
 * @file The same facts in two ways: one fact to a fresh LoRA and the fixed 60 steps of the first notebook, and all of them in
 * one book, which stops when every wording is answered.
 */
import { knowledgeTargets } from "../../src/api/defaults.ts";
import { dataset, type Fact, lora, rehearsalQuestions } from "../../src/index.ts";
import { experimentFacts, inputOf } from "./facts.ts";
import { type Judgement, judge, total, unrelatedAnswers } from "./judge.ts";
import { Clock, type Laboratory, settingsOf } from "./laboratory.ts";

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
    const adapter = await glm.createAdapter(NAME, lora({ r: 8, targets: knowledgeTargets }), { seed });
    const rows = dataset(fact.prompts.map((prompt) => ({ prompt, response: fact.text })));
    const options = { lr: 3e-3, scheduler: "linear", batchSize: 8, rehearse, rehearsePerBatch: 16, seed } as const;
    let steps = 0;
    for await (const event of adapter.fit(rows, { ...options, epochs: sizes.oldSteps })) {
      if (event.type === "step") steps += 1;
    }
    return steps;
  };
  const clock = new Clock();
  const judgements: Judgement[] = [];
  let steps = 0;
  for (const fact of facts) {
    steps += await clock.run(() => fixed(fact));
    judgements.push(await judge(glm, NAME, [fact], base));
    await (await glm.adapter(NAME)).dispose();
  }
  const alone = {
    recipe: `fixed ${sizes.oldSteps} steps, a LoRA each`,
    seconds: clock.seconds,
    steps,
    end: total(judgements),
  };

  const together = new Clock();
  const book = await glm.knowledge(NAME);
  const report = await together.run(() =>
    book.add(
      facts.map((fact) => inputOf(fact)),
      settingsOf(laboratory),
    ),
  );
  const end = await judge(glm, NAME, facts, base);
  await book.adapter.dispose();
  const recipes = [alone, { recipe: "one book, all at once", seconds: together.seconds, steps: report.steps, end }];
  for (const { recipe, end: counts } of recipes) {
    say(
      `${recipe}: ${counts.recalled} of ${counts.facts} learnt, ${counts.unchanged} of ${counts.unrelated} unchanged`,
    );
  }
  return { facts: facts.length, recipes };
}
