/** @file Options are completed, checked, and refused in one message that names the nearest known one. */

import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import * as defaults from "../src/api/defaults.ts";
import { full, lora } from "../src/api/methods.ts";
import { adamW } from "../src/api/optimizer.ts";
import { bytesOf } from "../src/api/size.ts";
import { TrainableSummary } from "../src/api/summary.ts";
import { GlmError } from "../src/errors.ts";
import { complete } from "../src/options.ts";

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(GlmError);
    expect(error).toMatchObject({ code: "option-invalid" });
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
}

describe("options", () => {
  it("have defaults that their own rules allow", () => {
    const samplings = Object.values(defaults.published).map((model) =>
      defaults.sampling({ ...model, maxNewTokens: model.maxLength }),
    );
    for (const rules of [defaults.fit, ...samplings, defaults.lora, defaults.load, defaults.seed]) {
      for (const [name, rule] of Object.entries(rules)) expect(rule.allows(rule.default), name).toBe(true);
    }
  });

  it("that are null are none that were left out", () => {
    expect(refusal(() => complete("fit", defaults.fit, { epochs: null as never }))).toBe(
      "fit: epochs: expected a whole number from 1, got null.",
    );
  });

  it("that are left out or undefined take the default, zero and false stay", () => {
    const options = complete("fit", defaults.fit, { seed: 0, warmup: undefined, clip: 0, lr: 0 });
    expect(options).toMatchObject({ seed: 0, warmup: 0, clip: 0, lr: 0, epochs: 10, scheduler: "constant" });
    const sampling = defaults.sampling({ ...defaults.published["glm-4-9b"], greedy: true, topK: 9, maxNewTokens: 5 });
    expect(complete("chat", sampling, { greedy: false, topK: 0 })).toMatchObject({ greedy: false, topK: 0 });
  });

  it("that do not exist are refused with the nearest one, together with all other faults", () => {
    const wrong = { epoch: 3, lr: Number.NaN, batchSize: 1.5, scheduler: "cosin" } as object;
    const message = refusal(() => complete("fit", defaults.fit, wrong));
    expect(message).toMatch(/^fit:\n/);
    expect(message).toContain("epoch: there is no such option. Did you mean epochs?");
    expect(message).toContain("lr: expected a number from 0, got NaN.");
    expect(message).toContain("batchSize: expected a whole number from 1, got 1.5.");
    expect(message).toContain('scheduler: expected "constant" or "linear" or "cosine", got "cosin".');
    expect(refusal(() => complete("fit", defaults.fit, 5 as never))).toMatch(/expected options such as/);
  });

  it("of methods are checked before anything is made", () => {
    expect(lora()).toEqual({ method: "lora", r: 8, alpha: 32, dropout: 0, targets: ["query_key_value"] });
    expect(lora({ r: 2, targets: ["dense"], rankStabilized: true })).toMatchObject({ r: 2, rankStabilized: true });
    expect(refusal(() => lora({ rank: 8 } as object))).toMatch(/rank: there is no such option/);
    expect(refusal(() => lora({ r: 0, dropout: 1 }))).toMatch(
      /r: .*\n- dropout: expected a number from 0 below 1, got 1/,
    );
    expect(refusal(() => lora({ targets: "" }))).toMatch(/list of module names/);
    expect(lora({ targets: "all-linear" })).toMatchObject({ targets: "all-linear" });
    const wrong = { rank: 8, targets: [1], bias: "every", rankPattern: { q: 0 }, alphaPattern: 5, rankStabilized: 1 };
    expect(refusal(() => lora(wrong as never)).split("\n- ")).toEqual([
      "lora:",
      expect.stringMatching(/^rank: there is no such option/),
      'targets: expected a list of module names such as ["query_key_value"], a regular expression, or "all-linear", got [1].',
      "rankStabilized: expected true or false, got 1.",
      "rankPattern.q: expected a whole number from 1, got 0.",
      'alphaPattern: expected numbers by module name such as { "layers.0.mlp": 16 }, got 5.',
      'bias: expected "none" or "all" or "lora_only", got "every".',
    ]);
    expect(lora({ rankPattern: { q: 2 }, alphaPattern: { q: 0.5 }, bias: "all" })).toMatchObject({ bias: "all" });
    expect(refusal(() => lora(null as never))).toMatch(/^lora: expected options such as/);
    expect(refusal(() => full({ match: "norm" as never }))).toMatch(/^full: match: expected a list .*got "norm"\.$/);
    expect(full({ match: ["embedding"] })).toEqual({ method: "full", match: ["embedding"] });
    expect(refusal(() => full({ mach: [] } as object))).toMatch(/Did you mean match/);
    expect(refusal(() => adamW({ learningRate: 1 } as object))).toMatch(/learningRate/);
  });

  it("for sizes are read as people write them", () => {
    for (const [text, bytes] of [
      ["2GB", 2e9],
      ["500 mb", 5e8],
      ["1.5GiB", 1.5 * 2 ** 30],
      [1234, 1234],
      ["77", 77],
    ] as const) {
      expect(bytesOf("save", "maxShardSize", text)).toBe(bytes);
    }
    for (const bad of ["", "GB", "2 XB", "-1MB", 0, "1.2.3MB"]) {
      expect(refusal(() => bytesOf("save", "maxShardSize", bad))).toMatch(/maxShardSize: expected a size/);
    }
  });
});

describe("the summary", () => {
  const line = "trainable params: 1,949,696 || all params: 6,245,533,696 || trainable%: 0.031217444255383614";
  const summary = new TrainableSummary({ trainableCount: 1_949_696, allCount: 6_245_533_696 });

  it("is PEFT's line, digit by digit, however it is shown", () => {
    expect(String(summary)).toBe(line);
    expect(inspect(summary)).toBe(line);
    const display = Reflect.get(summary, Symbol.for("Jupyter.display")) as () => Record<string, string>;
    expect(display.call(summary)).toEqual({ "text/plain": line });
  });

  it("writes whole and very small percentages as Python does", () => {
    const percent = (trainableCount: number, allCount: number): string =>
      String(new TrainableSummary({ trainableCount, allCount })).split("trainable%: ")[1] as string;
    expect(percent(7, 7)).toBe("100.0");
    expect(percent(0, 7)).toBe("0.0");
    expect(percent(1, 1e7)).toBe("1e-05");
    expect(percent(81_920, 3_355_746_304)).toBe("0.0024411857327341037");
  });
});
