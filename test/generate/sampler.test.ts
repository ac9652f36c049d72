import { describe, expect, test } from "vitest";
import { candidates, type Shaping, sample } from "../../src/generate/sampler.ts";
import { normals, randomStream } from "../../src/random.ts";
import oracle from "../fixtures/oracle/sampling.json" with { type: "json" };

const plain: Shaping = { temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 };

/** The candidates as a distribution over the whole vocabulary. */
function distribution(logits: Float32Array, previous: number[], options: Shaping): Float64Array {
  const { ids, probabilities } = candidates(logits, previous, options);
  const all = new Float64Array(logits.length);
  ids.forEach((id, i) => {
    all[id] = probabilities[i] ?? Number.NaN;
  });
  return all;
}

test.each(oracle.cases.map((given, i) => ({ ...given, i })))(
  "case $i: T $temperature, top-p $top_p, top-k $top_k, penalty $repetition_penalty as transformers",
  (given) => {
    const options = {
      temperature: given.temperature,
      topP: given.top_p,
      topK: given.top_k,
      repetitionPenalty: given.repetition_penalty,
    };
    const actual = distribution(Float32Array.from(given.logits), given.previous, options);
    given.probabilities.forEach((probability, id) => {
      expect(Math.abs((actual[id] ?? 0) - probability)).toBeLessThan(1e-6);
      expect((actual[id] ?? 0) > 0).toBe(probability > 0);
    });
  },
);

/** The same by sorting everything, as the definition reads. */
function bySorting(logits: Float32Array, { temperature, topK, topP }: Shaping): Float64Array {
  let order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (topK > 0) order = order.filter((id) => logits[id]! >= logits[order[Math.min(topK, order.length) - 1]!]!);
  const mass = (ids: number[]): number =>
    ids.reduce((sum, id) => sum + Math.exp((logits[id]! - logits[order[0]!]!) / temperature), 0);
  const whole = mass(order);
  order = order.filter((_, i) => i === 0 || topP === 1 || mass(order.slice(0, i)) < topP * whole);
  const result = new Float64Array(logits.length);
  for (const id of order) result[id] = mass([id]) / mass(order);
  return result;
}

test("buckets choose what sorting chooses, for sharp, flat and tied logits", () => {
  for (const deviation of [0, 0.01, 1, 30, 1e4]) {
    for (const rounded of [false, true]) {
      const logits = normals(randomStream(2, deviation), 300, deviation).map((logit) =>
        rounded ? Math.round(logit) : logit,
      );
      for (const [temperature, topP, topK] of [
        [1, 0.9, 0],
        [0.7, 0.5, 20],
        [1, 1, 7],
        [2, 0.999, 0],
        [0.05, 0.8, 3],
        [1, 1e-9, 0],
        [1, 1, 0],
        [1, 0.5, 1000],
      ] as const) {
        const options = { ...plain, temperature, topP, topK };
        const [actual, expected] = [distribution(logits, [], options), bySorting(logits, options)];
        for (const [id, probability] of actual.entries()) {
          expect(Math.abs(probability - expected[id]!)).toBeLessThan(1e-12);
        }
      }
    }
  }
});

describe("drawing", () => {
  const logits = Float32Array.of(1, 3, -2, 3, 0, 0, 0.5);

  test("greedy takes the first of the best, whatever the options say that only shape what is drawn", () => {
    const stream = randomStream(0);
    expect(sample(logits, [1], { ...plain, greedy: true, topK: 1, temperature: 9, topP: 0.1 }, stream)).toBe(1);
  });

  test("greedy takes the best after the penalty, which is what is drawn from, too", () => {
    const greedy = (previous: number[], repetitionPenalty: number): number =>
      sample(logits, previous, { ...plain, greedy: true, repetitionPenalty }, randomStream(0));
    expect([greedy([1], 9), greedy([1, 3], 1.5), greedy([1, 3], 7), greedy([1], 1)]).toEqual([3, 1, 0, 1]);
    // Below 1, what was said becomes likelier.
    expect(greedy([6], 0.1)).toBe(6);
    for (const given of oracle.cases) {
      const [scores, options] = [
        Float32Array.from(given.logits),
        { ...plain, repetitionPenalty: given.repetition_penalty },
      ];
      const best = distribution(scores, given.previous, options);
      const token = sample(scores, given.previous, { ...options, greedy: true }, randomStream(0));
      expect(best[token]).toBe(Math.max(...best));
    }
  });

  test("frequencies follow the probabilities; the same place draws the same", () => {
    const options = { ...plain, greedy: false, temperature: 0.9, topK: 5 };
    const draws = 20_000;
    const counts = new Float64Array(logits.length);
    for (let i = 0; i < draws; i++) counts[sample(logits, [], options, randomStream(4, i))]! += 1;
    distribution(logits, [], options).forEach((probability, id) => {
      expect(Math.abs(counts[id]! / draws - probability)).toBeLessThan(
        4 * Math.sqrt((probability * (1 - probability)) / draws) + 1e-9,
      );
    });
    const row = (seed: number): number[] =>
      Array.from({ length: 50 }, (_, i) => sample(logits, [], options, randomStream(seed, i)));
    expect(row(1)).toEqual(row(1));
    expect(row(1)).not.toEqual(row(2));
  });

  test("the penalty counts a repeated token once and ignores ids without a logit", () => {
    const once = distribution(logits, [1, 2], { ...plain, repetitionPenalty: 1.5 });
    expect(distribution(logits, [1, 2, 1, 1, 99], { ...plain, repetitionPenalty: 1.5 })).toEqual(once);
    expect(once[1]! / once[3]!).toBeCloseTo(Math.exp(2 - 3), 10);
    expect(once[2]! / once[3]!).toBeCloseTo(Math.exp(-3 - 3), 10);
    expect([...logits]).toEqual([1, 3, -2, 3, 0, 0, 0.5]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "a logit of %d gives token 5, as published",
    (bad) => {
      const broken = Float32Array.of(1, bad, 9, 0, 0, 0, 0);
      for (const greedy of [true, false]) expect(sample(broken, [], { ...plain, greedy }, randomStream(0))).toBe(5);
    },
  );
});
