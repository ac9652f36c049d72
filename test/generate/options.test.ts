import { expect, test } from "vitest";
import { publishedSampling, samplingOptions } from "../../src/generate/options.ts";
import type { SamplingOptions } from "../../src/generate/sampler.ts";

const defaults: SamplingOptions = {
  ...publishedSampling["chatglm2-6b"],
  maxNewTokens: 512,
  greedy: false,
  seed: 7,
  stop: [2],
};

test("what is not given, or undefined, takes its default; 0 and false are given", () => {
  expect(samplingOptions({}, defaults)).toEqual(defaults);
  const given = { seed: 0, topK: 0, greedy: true, stop: [] };
  const unset = { temperature: undefined } as unknown as Partial<SamplingOptions>;
  expect(samplingOptions({ ...given, ...unset }, { ...defaults, greedy: false })).toEqual({ ...defaults, ...given });
});

test("everything wrong is named at once, with a remedy", () => {
  const wrong = { temperature: 0, topP: 1.5, topk: 3, maxNewTokens: 0.5, stop: ["</s>"], seed: Number.NaN };
  expect(() => samplingOptions(wrong as unknown as SamplingOptions, defaults)).toThrow(
    expect.objectContaining({
      code: "option-invalid",
      message: [
        "These options cannot be used:",
        "temperature: expected a number above 0 (greedy: true always takes the likeliest token), got 0",
        "topP: expected a number above 0, at most 1, got 1.5",
        "topk is unknown. Did you mean topK?",
        "maxNewTokens: expected a whole number of tokens from 1, got 0.5",
        'stop: expected a list of token ids, got ["</s>"]',
        "seed: expected a whole number, got NaN",
      ].join("\n- "),
    }),
  );
});
