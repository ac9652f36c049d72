/**
 * @file Which facts go first when others are taught without repeating the old ones: half of the new keys are one character away
 * from an old key.
 */
import { adamW, dataset } from "../../src/index.ts";
import { experimentFacts, inputOf, neighboursOf, similarity } from "./facts.ts";
import { exactWordings, recalledOf } from "./judge.ts";
import { type Laboratory, settingsOf } from "./laboratory.ts";

export interface OldFact {
  readonly key: string;
  /** The new key that is most like it, and how much, from 0 to 1. */
  readonly nearest: string;
  readonly similarity: number;
  /** Whether a new key was made from it. */
  readonly similar: boolean;
  /** Its taught wordings, and how many are answered exactly after so many steps with the new facts. */
  readonly wordings: number;
  readonly exact: readonly { readonly step: number; readonly exact: number }[];
}

const BOOK = "similarity";
const BATCH = 16;

export async function similarKeys(laboratory: Laboratory): Promise<{
  readonly facts: number;
  /** New facts that are known after so many steps. */
  readonly learnt: readonly { readonly step: number; readonly learnt: number }[];
  readonly old: readonly OldFact[];
}> {
  const { glm, sizes, seed, say } = laboratory;
  const { facts: count, askedAt } = sizes.similarity;
  const [old, others] = halves(experimentFacts(2 * count, seed));
  // Every second one, so that both languages are in both halves.
  const chosen = old.filter((_, i) => i % 2 === 0);
  const unlike = others.slice(0, count - chosen.length);
  const fresh = [...neighboursOf(chosen, others.slice(unlike.length), seed), ...unlike];

  const book = await glm.knowledge(BOOK);
  try {
    const inputs = old.map((fact) => inputOf(fact));
    await book.add(inputs, settingsOf(laboratory));
    const exact = [{ step: 0, wordings: await exactWordings(glm, BOOK, old) }];
    const learnt = [{ step: 0, learnt: await recalledOf(glm, BOOK, fresh) }];
    const rows = dataset(fresh.flatMap(({ prompts, text }) => prompts.map((prompt) => ({ prompt, response: text }))));
    const optimizer = adamW({ lr: 1e-3, clip: 1 });
    let step = 0;
    for (const batch of rows.batches({ size: BATCH, epochs: 1000, seed })) {
      if (step >= (askedAt.at(-1) ?? 0)) break;
      const { gradients } = await book.adapter.gradients(batch);
      await optimizer.step(book.adapter, gradients);
      step += 1;
      if (!askedAt.includes(step)) continue;
      exact.push({ step, wordings: await exactWordings(glm, BOOK, old) });
      learnt.push({ step, learnt: await recalledOf(glm, BOOK, fresh) });
      const left = exact.at(-1)?.wordings.reduce((sum, one) => sum + one, 0);
      say(`step ${step}: ${left} old wordings left, ${learnt.at(-1)?.learnt} of ${fresh.length} new facts learnt`);
    }
    const described = old.map((fact, i): OldFact => {
      const [nearest] = fresh
        .map(({ key }) => ({ key, similarity: similarity(fact.key, key) }))
        .sort((a, b) => b.similarity - a.similarity);
      return {
        key: fact.key,
        nearest: nearest?.key ?? "",
        similarity: Number((nearest?.similarity ?? 0).toFixed(3)),
        similar: chosen.includes(fact),
        wordings: fact.prompts.length,
        exact: exact.map(({ step, wordings }) => ({ step, exact: wordings[i] ?? 0 })),
      };
    });
    return { facts: count, learnt, old: described };
  } finally {
    await book.adapter.dispose();
  }
}

const halves = <T>(list: readonly T[]): [T[], T[]] => [
  list.slice(0, Math.ceil(list.length / 2)),
  list.slice(Math.ceil(list.length / 2)),
];
