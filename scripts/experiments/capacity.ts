/**
 * @file How many facts so many parameters take up in a number of steps that is the same for all: LoRA of several ranks, and the
 * model's own MLPs. Two wordings a fact and nothing rehearsed, so that nothing but the facts uses up room and time.
 */
import { knowledgeTargets } from "../../src/api/defaults.ts";
import { type AdapterConfig, dataset, full, lora } from "../../src/index.ts";
import { sizeOf } from "../../src/tensor.ts";
import { experimentFacts } from "./facts.ts";
import { recalledOf } from "./judge.ts";
import { Clock, type Laboratory } from "./laboratory.ts";

export interface Point {
  readonly method: string;
  /** 0 for the model's own parameters. */
  readonly rank: number;
  /** How many parameters were trained. */
  readonly trained: number;
  readonly facts: number;
  readonly learnt: number;
  /** Mean over the taught tokens in the last epoch, in nats. */
  readonly loss: number;
  readonly seconds: number;
}

interface Method {
  readonly method: string;
  readonly rank: number;
  readonly config: AdapterConfig;
  readonly lr: number;
}

const NAME = "capacity";
const WORDINGS = 2;
const BATCH = 16;

export async function capacity({ glm, sizes, seed, say }: Laboratory): Promise<{
  readonly facts: readonly number[];
  readonly steps: number;
  readonly wordings: number;
  readonly points: readonly Point[];
}> {
  const { facts: counts, ranks, steps } = sizes.capacity;
  const methods: readonly Method[] = [
    // Alpha grows with the rank: the update's scale stays that of r 8, alpha 32.
    ...ranks.map((r) => ({
      method: `LoRA r ${r}`,
      rank: r,
      config: lora({ r, alpha: 4 * r, targets: knowledgeTargets }),
      lr: 3e-3,
    })),
    { method: "full, MLP", rank: 0, config: full({ match: ["mlp"] }), lr: 5e-4 },
  ];
  const all = experimentFacts(Math.max(...counts), seed).map((fact) => ({
    ...fact,
    prompts: fact.prompts.slice(0, WORDINGS),
  }));
  const points: Point[] = [];
  for (const count of counts) {
    const facts = all.slice(0, count);
    const rows = dataset(facts.flatMap(({ prompts, text }) => prompts.map((prompt) => ({ prompt, response: text }))));
    const epochs = Math.max(1, Math.round(steps / Math.ceil(rows.rows.length / BATCH)));
    for (const { method, rank, config, lr } of methods) {
      const adapter = await glm.createAdapter(NAME, config, { seed });
      const clock = new Clock();
      let loss = Number.NaN;
      await clock.run(async () => {
        const options = { epochs, lr, batchSize: BATCH, scheduler: "linear", warmup: 5, seed } as const;
        for await (const event of adapter.fit(rows, options)) if (event.type === "epoch") loss = event.loss;
      });
      const trained = adapter.parameters().reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      const learnt = await recalledOf(glm, NAME, facts);
      await adapter.dispose();
      points.push({ method, rank, trained, facts: count, learnt, loss, seconds: clock.seconds });
      say(`${method}: ${learnt} of ${count} learnt in ${epochs} epochs, loss ${loss.toFixed(3)}`);
    }
  }
  return { facts: counts, steps, wordings: WORDINGS, points };
}
