/** @file What a misspelt name was probably meant to be. */
import { expect, it } from "vitest";
import { nearest, suggestion } from "../src/suggestion.ts";

const devices = ["auto", "cpu", "webgpu"];

it.each([
  ["gpu", devices, "webgpu"],
  ["web", devices, "webgpu"],
  ["pcu", devices, "cpu"],
  ["CPU", devices, "cpu"],
  ["wegpu", devices, "webgpu"],
  ["tpu", devices, undefined],
  ["cuda", devices, undefined],
  ["", devices, undefined],
  ["epoch", ["epochs", "lr"], "epochs"],
  ["temprature", ["topK", "temperature"], "temperature"],
  ["6b", ["chatglm3-6b"], undefined],
  ["x".repeat(1000), ["x"], undefined],
])("%s is near, or not", (given, known, expected) => {
  expect(nearest(given, known)).toBe(expected);
});

it("says what is known where nothing is near", () => {
  expect(suggestion("gpu", devices)).toBe(" Did you mean webgpu?");
  expect(suggestion("cuda", devices, "--")).toBe(" Known: --auto, --cpu, --webgpu.");
  expect(suggestion("cuda", [])).toBe("");
});
