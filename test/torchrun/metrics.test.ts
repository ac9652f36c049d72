/** @file A job's JSON lines as events: torn anywhere, among other text. */
import { expect, it } from "vitest";
import { MetricsReader } from "../../src/torchrun/metrics.ts";

const step = {
  type: "step",
  step: 1,
  steps: 8,
  epoch: 1,
  loss: 2.5,
  lr: 0.01,
  gradientNorm: 1,
  tokens: 7,
  seconds: 0.1,
};
const bytes = (text: string) => new TextEncoder().encode(text);

it("lines may be torn at any byte", () => {
  const text = bytes(`{"type":"stopped","step":3,"why":"停"}\n${JSON.stringify(step)}\n`);
  for (let cut = 0; cut <= text.length; cut += 1) {
    const reader = new MetricsReader();
    const events = [...reader.push(text.subarray(0, cut)), ...reader.push(text.subarray(cut))];
    expect(events).toEqual([{ type: "stopped", step: 3 }, step]);
  }
});

it("leaves out what is no event; what is not known is NaN", () => {
  const lines = ["a warning", '{"type":"step"}', '{"half', JSON.stringify({ ...step, gradientNorm: null })];
  expect(new MetricsReader().push(bytes(`${lines.join("\n")}\n`))).toEqual([{ ...step, gradientNorm: Number.NaN }]);
});
