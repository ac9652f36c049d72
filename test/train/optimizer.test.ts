import { describe, expect, test } from "vitest";
import { type FloatTensor, tensor } from "../../src/tensor.ts";
import { adamW, adamWConfig, totalNorm, weightedMean } from "../../src/train/optimizer.ts";
import torch from "../fixtures/oracle/adamw.json" with { type: "json" };

const vector = (...numbers: number[]): FloatTensor => tensor("float32", [numbers.length], Float32Array.from(numbers));

describe("AdamW", () => {
  test.each(torch.cases)("equals PyTorch's with $options", ({ options, start, steps }) => {
    const { betas, ...others } = options;
    const config = adamWConfig({ ...others, ...(betas && { betas: [betas[0]!, betas[1]!] }) });
    const named = (flat: readonly number[][]): Record<string, FloatTensor> => ({
      a: tensor("float32", [2, 3], Float32Array.from(flat[0]!)),
      b: vector(...flat[1]!),
    });
    const parameters = named(start);
    const state = adamW.init(parameters);
    for (const { gradients, norm, after } of steps) {
      expect(adamW.update(config, state, parameters, named(gradients))).toBeCloseTo(norm, 5);
      for (const [name, { data }] of Object.entries(named(after))) {
        for (const [i, value] of data.entries()) {
          expect(Math.abs(parameters[name]!.data[i]! - value)).toBeLessThan(1e-6);
        }
      }
    }
    expect(state.step).toBe(steps.length);
  });

  test("clips all gradients by one factor, and only when they are too long", () => {
    const gradients = { a: vector(3, 0), b: vector(0, 4) };
    const step = (clip: number, g: Record<string, FloatTensor>): [number, number[]] => {
      const parameters = { a: vector(1, 1), b: vector(1, 1) };
      const state = adamW.init(parameters);
      const norm = adamW.update(adamWConfig({ clip }), state, parameters, g);
      return [norm, [...state.mean.a!.data, ...state.mean.b!.data]];
    };
    const [norm, means] = step(1, gradients);
    expect(norm).toBe(5);
    for (const [i, mean] of [0.06, 0, 0, 0.08].entries()) expect(means[i]).toBeCloseTo(mean, 6);
    expect(step(6, gradients)[1]).toEqual(step(0, gradients)[1]);
    expect(gradients).toEqual({ a: vector(3, 0), b: vector(0, 4) });
  });

  test("a gradient that is no number changes nothing", () => {
    const parameters = { a: vector(1, 2), b: vector(3) };
    const state = adamW.init(parameters);
    const before = structuredClone({ parameters, state });
    const update = (b: number) => () =>
      adamW.update(adamWConfig(), state, parameters, { a: vector(1, 1), b: vector(b) });
    expect(update(Number.NaN)).toThrow(
      expect.objectContaining({
        code: "loss-not-finite",
        message: expect.stringMatching(/of b: expected numbers.*Lower lr/),
      }),
    );
    expect(update(Number.POSITIVE_INFINITY)).toThrow(/of b/);
    expect({ parameters, state }).toEqual(before);
  });

  test("a gradient that is missing or does not fit is refused by name", () => {
    const parameters = { a: vector(1, 2) };
    expect(() => adamW.update(adamWConfig(), adamW.init(parameters), parameters, {})).toThrow(
      "a: expected a gradient of 2 elements, got none",
    );
    expect(() => adamW.update(adamWConfig(), adamW.init({ a: vector(1) }), parameters, { a: vector(1, 2) })).toThrow(
      /optimizer state of 2 elements, got 1/,
    );
  });
});

test("options: defaults in one place, every fault at once", () => {
  expect(adamWConfig({ lr: 5e-3 })).toEqual({
    kind: "adamW",
    lr: 5e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0.01,
    decayNormsAndBiases: true,
    clip: 1,
  });
  const wrong = { lr: -1, betas: [0.9, 1] as const, clip: Number.NaN, wd: 3 };
  expect(() => adamWConfig(wrong)).toThrow(
    /^adamW:\n- wd: there is no such option.*\n- lr: expected.*got -1\.\n- betas: expected two numbers.*got \[0\.9,1\]\.\n- clip.*got NaN/,
  );
});

test("gradients of several batches are averaged by their weight", () => {
  const mean = weightedMean([
    { gradients: { a: vector(1, 2) }, weight: 30 },
    { gradients: { a: vector(5, -2) }, weight: 10 },
  ]);
  expect(mean).toEqual({ a: vector(2, 1) });
  const alone = { a: vector(1, 2) };
  expect(weightedMean([{ gradients: alone, weight: 30 }])).toBe(alone);
  expect(totalNorm({ a: vector(2, 1), b: vector(2) })).toBe(3);
});
