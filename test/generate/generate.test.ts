/** @file Generation with random weights: what long prompts and batches say is what one run over everything says. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import { type GenerateEvent, generate } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { randomConfig, randomWeights } from "../random-weights.ts";

const options = { greedy: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, stop: [] };

describe.each(["chatglm6b", "glm"] as const)("layout %s", (layout) => {
  const config = { ...randomConfig(layout, 4, 2, 8), contextLength: 1024 };
  const { mask, gmask, sop } = config.prefixIds;
  let model: ForwardModel;

  beforeAll(() => {
    model = new ForwardModel(config, randomWeights(config), cpu);
  });
  afterAll(() => model.dispose());

  const prompt = (length: number): number[] => [
    ...Array.from({ length: length - 2 }, (_, i) => (i * 7 + i * i) % Math.min(mask, gmask, sop)),
    gmask,
    sop,
  ];

  /** The likeliest token after the ids, all computed in one run. */
  async function likeliest(ids: readonly number[]): Promise<number> {
    const cache = model.newCache(1, ids.length);
    const adapters = await model.lease([undefined]);
    const step = { rows: [{ ids, from: 0 }], positions: [ids.length - 1], adapters, cache };
    const { data } = await model.run(step);
    return data.indexOf(Math.max(...data));
  }

  async function collect(prompts: readonly (readonly number[])[], maxNewTokens: number): Promise<GenerateEvent[]> {
    const rows = prompts.map((ids) => ({ ids, effect: undefined }));
    const events: GenerateEvent[] = [];
    for await (const event of generate(model, rows, { ...options, maxNewTokens })) events.push(event);
    return events;
  }

  const tokensOf = (events: readonly GenerateEvent[], row: number): number[] =>
    events.flatMap((event) => (event.type === "token" && event.row === row ? [event.token] : []));

  it("reads prompts of any length as if at once", async () => {
    const prompts = [3, 255, 256, 257, 700].map(prompt);
    // Answers that have begun are read on.
    prompts.push([...prompt(20), ...prompt(500).slice(0, 450)], [...prompt(300), ...prompt(500).slice(0, 450)]);
    for (const ids of prompts) {
      const [first, second] = tokensOf(await collect([ids], 2), 0) as [number, number];
      expect(first, `${ids.length} tokens`).toBe(await likeliest(ids));
      expect(second, `${ids.length} tokens`).toBe(await likeliest([...ids, first]));
    }
  });

  it("says how much of the prompts it has read", async () => {
    const read = (await collect([prompt(600), prompt(4)], 1)).filter(({ type }) => type === "prompt");
    expect(read.at(0)).toEqual({ type: "prompt", done: 0, total: 604 });
    expect(read.at(-1)).toEqual({ type: "prompt", done: 604, total: 604 });
    // A context that is seen as a whole is read as a whole.
    expect(read).toHaveLength(layout === "chatglm6b" ? 3 : 5);
  });

  it("answers rows of different lengths as if each were alone, beyond the room that was made at first", async () => {
    const prompts = [prompt(9), prompt(300), prompt(40)];
    const together = await collect(prompts, 200);
    for (const [row, ids] of prompts.entries()) {
      const alone = tokensOf(await collect([ids], 200), 0);
      expect(alone).toHaveLength(200);
      expect(tokensOf(together, row)).toEqual(alone);
    }
  });
});
