/** @file Greedy choices that are made where the logits are: those that are made of all logits. */
import { afterAll, describe, expect, it } from "vitest";
import { compileForCpu, cpu } from "../../src/backend/cpu.ts";
import type { GlmError } from "../../src/errors.ts";
import { generate, type NotNumbers } from "../../src/generate/generate.ts";
import { likeliestTokens, outputLeaders } from "../../src/generate/likeliest.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { notNumbers } from "../../src/generate/not-numbers.ts";
import { GREEDY, INVALID_TOKEN, sample } from "../../src/generate/sampler.ts";
import { Graph } from "../../src/graph/value.ts";
import { modulesOf } from "../../src/models/architectures.ts";
import { randomStream } from "../../src/random.ts";
import { filled, tensor } from "../../src/tensor.ts";
import { randomConfig, randomWeights } from "../random-weights.ts";

async function chosen(vocabulary: number, rows: readonly Float32Array[]): Promise<number[]> {
  const graph = new Graph();
  outputLeaders(graph.input("logits", "float32", ["chosen", vocabulary]), vocabulary);
  const program = await compileForCpu(graph);
  const data = new Float32Array(rows.length * vocabulary);
  for (const [row, logits] of rows.entries()) data.set(logits, row * vocabulary);
  const results = await program.run({ logits: tensor("float32", [rows.length, vocabulary], data) });
  await program.dispose();
  return likeliestTokens(results, vocabulary).map((token) => token ?? INVALID_TOKEN);
}

describe.each([65024, 130528, 4160, 77, 1])("a vocabulary of %i", (vocabulary) => {
  const random = randomStream(0, `${vocabulary}`);
  const logits = (): Float32Array => Float32Array.from({ length: vocabulary }, () => random.normal());
  const sampled = (row: Float32Array): number => sample(row, [], GREEDY, random);

  it("chooses as the sampler does: of equals the first, of numbers that are none as the published code", async () => {
    const last = logits();
    last[vocabulary - 1] = 9;
    const twice = logits();
    for (const place of [0.3, 0.7]) twice[Math.floor(place * vocabulary)] = 9;
    const broken = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => {
      const row = logits();
      row[Math.floor(vocabulary / 2)] = value;
      return row;
    });
    const rows = [logits(), last, twice, ...broken, new Float32Array(vocabulary), logits()];
    expect(await chosen(vocabulary, rows)).toEqual(rows.map(sampled));
  });
});

describe.each(["chatglm6b", "glm"] as const)("layout %s, where logits would cross", (layout) => {
  const config = randomConfig(layout, 4, 2, 8);
  const weights = randomWeights(config);
  const models = [cpu, { ...cpu, can: { ...cpu.can, ownMemory: true } }].map(
    (device) => new ForwardModel(config, weights, device),
  );
  afterAll(() => Promise.all(models.map((model) => model.dispose())));

  it.each([1, 1.3])("answers as elsewhere, with a repetition penalty of %f", async (repetitionPenalty) => {
    const { gmask, sop } = config.prefixIds;
    const rows = [4, 9].map((length) => ({
      ids: [...Array.from({ length }, (_, i) => 3 * i), gmask, sop],
      effect: undefined,
    }));
    const options = { ...GREEDY, repetitionPenalty, maxNewTokens: 12, stop: [] };
    const answers = models.map(async (model) => {
      const tokens: string[] = [];
      for await (const event of generate(model, rows, options)) {
        if (event.type === "token") tokens.push(`${event.row}: ${event.token}`);
      }
      return tokens;
    });
    const [here, there] = await Promise.all(answers);
    expect(here).toHaveLength(24);
    expect(there).toEqual(here);
  });

  it("ends with the error for the row whose logits are no numbers, and goes on as the published code where there is none", async () => {
    const [module] = modulesOf(config).filter(({ name }) => name.endsWith("query_key_value"));
    const { in: width, out, name } = module!;
    const broken = { lowRank: new Map([[name, { down: filled([width, 1], 3e38), up: filled([1, out], 3e38) }]]) };
    const { gmask, sop } = config.prefixIds;
    const rows = [undefined, broken].map((effect) => ({ ids: [1, 2, gmask, sop], effect }));
    for (const model of models) {
      for (const greedy of [true, false]) {
        const options = { ...GREEDY, greedy, maxNewTokens: 3, stop: [] };
        const answers = async (fault?: NotNumbers): Promise<number[]> => {
          const tokens: number[] = [];
          for await (const event of generate(model, rows, options, fault)) {
            if (event.type === "token" && event.row === 1) tokens.push(event.token);
          }
          return tokens;
        };
        const fault = (row: number): GlmError => notNumbers("m", `number ${row}`, rows[row]?.effect);
        await expect(answers(fault)).rejects.toMatchObject({
          code: "adapter-invalid",
          message: expect.stringMatching(new RegExp(`adapter number 1: .* is 9e\\+76, at ${name}`)),
        });
        expect(await answers()).toEqual([INVALID_TOKEN, INVALID_TOKEN, INVALID_TOKEN]);
      }
    }
  });
});
