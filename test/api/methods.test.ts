/** @file What a notebook may ask of LoRA, and what its configuration becomes. */
import { expect, it } from "vitest";
import { adaLora, differences, type GivenMethod, type LoraOptions, lora } from "../../src/api/methods.ts";
import { matrixModulesOf } from "../../src/models/architectures.ts";
import { oracleConfig } from "../oracle.ts";

it("takes lists, patterns and all-linear as targets", () => {
  expect(lora({ targets: "all-linear" }).targets).toBe("all-linear");
  expect(lora({ targets: ".*dense" }).targets).toBe(".*dense");
  expect(lora({ targets: ["dense"] }).targets).toEqual(["dense"]);
  expect(adaLora({ targets: "all-linear" }).targets).toBe("all-linear");
});

it("leaves out of a configuration what is as it is anyway", () => {
  const plain = { method: "lora", r: 8, alpha: 32, dropout: 0, targets: ["query_key_value"] };
  expect(lora({ init: "kaiming", modulesToSave: [], bias: "none" })).toEqual(plain);
  expect(lora({ init: "gaussian", modulesToSave: ["norm"], dora: true })).toEqual({
    ...plain,
    ...{ init: "gaussian", modulesToSave: ["norm"], dora: true },
  });
});

it("tells what an adapter is made otherwise in", () => {
  const made = lora({ targets: "all-linear", dora: true });
  expect(differences({ method: "lora", targets: "all-linear", dora: true, init: "kaiming" }, made, [])).toEqual([]);
  expect(
    differences({ method: "lora", dora: false, modulesToSave: ["norm"] }, made, []).map(({ option }) => option),
  ).toEqual(["dora", "modulesToSave"]);
});

it("names the options that differ from an adapter of any method, where the method itself is not said", () => {
  const made = adaLora({ r: 4, targets: ["dense"] });
  const differing = (given: GivenMethod): string[] => differences(given, made, []).map(({ option }) => option);
  expect(differing({ r: 4, alpha: made.alpha, bias: "none", init: "kaiming" })).toEqual([]);
  expect(differences({ r: 8, dora: true }, made, [])).toEqual([
    { option: "r", wanted: 8, actual: 4 },
    { option: "dora", wanted: true, actual: undefined },
  ]);
  expect(differing({ method: "lora", r: 4 })).toEqual(["method"]);
  expect(differing({ method: "adaLora", r: 5 })).toEqual(["r"]);
});

it("compares targets by the names that this model has for them", () => {
  const modules = matrixModulesOf(oracleConfig("glm-4-9b-hf"));
  const made = lora({ targets: ["q_proj", "k_proj", "v_proj", "embed_tokens"] });
  const given = { method: "lora", targets: ["query_key_value", "word_embeddings"] } as const;
  expect(differences(given, made, modules)).toEqual([]);
  expect(differences({ ...given, targets: "all-linear" }, made, modules)).toHaveLength(1);
});

it.each<[LoraOptions, RegExp]>([
  [{ targets: "" }, /targets: expected a list of module names .*"all-linear", got ""/],
  [{ targets: [] }, /targets: expected a list/],
  [{ targets: [3] as never }, /targets: expected a list/],
  [{ dora: 1 as never }, /dora: expected true or false, got 1/],
  [{ modulesToSave: "norm" as never }, /modulesToSave: expected a list of module names/],
  [{ init: "pissa" as never }, /init: expected "kaiming" or "gaussian", got "pissa"/],
  [
    { r: 0, alpha: Number.NaN },
    /r: expected a whole number from 1, got 0[\s\S]*alpha: expected a number above 0, got NaN/,
  ],
])("refuses %j", (options, message) => {
  expect(() => lora(options)).toThrow(
    expect.objectContaining({ code: "option-invalid", message: expect.stringMatching(message) }),
  );
});
