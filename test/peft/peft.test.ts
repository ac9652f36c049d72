/** @file Files both ways with the real PEFT: what one writes the other reads, and computes the same with. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FloatTensor, Tensor } from "../../src/tensor.ts";
import { CASES } from "./cases.ts";
import { again, type Exchange, exchange, made, type Outcomes, published } from "./exchange.ts";

const PYTHON = process.env.GLMLAB_TORCH_PYTHON;
const TOLERANCE = 1e-4;
/** An adapter whose effect is smaller than this shows nothing. */
const EFFECT = 0.01;

let all: Exchange;
beforeAll(async () => {
  if (!PYTHON) throw new Error("expected GLMLAB_TORCH_PYTHON: run these by npm run test:peft");
  all = await exchange(PYTHON);
});
afterAll(() => all?.close());

/** The largest difference, relative to the largest number. */
function difference({ data: a, shape }: Tensor, { data: b, shape: other }: Tensor): number {
  expect(shape).toEqual(other);
  let [most, largest] = [0, 1];
  for (let i = 0; i < a.length; i += 1) {
    most = Math.max(most, Math.abs(Number(a[i]) - Number(b[i])));
    largest = Math.max(largest, Math.abs(Number(b[i])));
  }
  return most / largest;
}

function outcome(outcomes: Outcomes, name: string): FloatTensor {
  const found = outcomes.get(name);
  if (found instanceof Error) throw found;
  expect(found).toBeDefined();
  return found as FloatTensor;
}

function there(named: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const found = named[name];
  if (!found) throw new Error(`PEFT has no result for ${name}`);
  return found;
}

it("the model alone", () => {
  expect(difference(all.base, there(all.peft.theirs, "base"))).toBeLessThan(TOLERANCE);
});

describe.each(CASES.map((one) => [one.name, one] as const))("%s", (name, one) => {
  it("PEFT's, here", () => {
    const theirs = there(all.peft.theirs, name);
    expect(difference(theirs, all.base)).toBeGreaterThan(EFFECT);
    expect(difference(outcome(all.here.theirs, name), theirs)).toBeLessThan(TOLERANCE);
  });

  it("PEFT's, loaded and saved here, in PEFT", () => {
    outcome(all.here.theirs, name);
    expect(difference(there(all.peft.read, again(one)), there(all.peft.theirs, name))).toBeLessThan(TOLERANCE);
  });

  if (!one.ours) return;
  it("ours, in PEFT", () => {
    const ours = outcome(all.here.made, name);
    expect(difference(ours, all.base)).toBeGreaterThan(EFFECT);
    expect(difference(there(all.peft.read, made(one)), ours)).toBeLessThan(TOLERANCE);
  });
});

it.each(CASES.filter(({ ours }) => ours?.method === "pTuning").map((one) => [one.name, one] as const))(
  "%s in the published form is what torch.load reads",
  (name, one) => {
    const values = all.prefixes.get(name);
    expect(Object.keys(values ?? {}).length).toBeGreaterThan(0);
    for (const [key, value] of Object.entries(values ?? {})) {
      expect(there(all.peft.read, `${published(one)}: ${key}`)).toEqual(value);
    }
  },
);
