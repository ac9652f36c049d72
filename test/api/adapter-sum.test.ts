/** @file Sums of adapters as texts: what is one, and what is refused. */
import { expect, it } from "vitest";
import { termsOf } from "../../src/api/adapter-sum.ts";

const terms = (text: string) => Object.fromEntries(termsOf(text).map(({ name, weight }) => [name, weight]));

it.each([
  ["a", { a: 1 }],
  ["a-b", { "a-b": 1 }],
  ["梦-2.x_", { "梦-2.x_": 1 }],
  ["a+b", { a: 1, b: 1 }],
  ["a+0.5*b", { a: 1, b: 0.5 }],
  [" a + 0.5 * b ", { a: 1, b: 0.5 }],
  ["a - b", { a: 1, b: -1 }],
  ["a -b", { a: 1, b: -1 }],
  ["a-1*b", { a: 1, b: -1 }],
  ["a-b-.5*c-d", { "a-b": 1, "c-d": -0.5 }],
  ["a+-1*b", { a: 1, b: -1 }],
  ["-b", { b: -1 }],
  ["-2*b+a", { b: -2, a: 1 }],
  ["0*a", { a: 0 }],
  ["1e-3*a", { a: 1e-3 }],
  ["1e+3*a+2*3", { a: 1000, 3: 2 }],
  ["2*3.5", { "3.5": 2 }],
  ["a+a+2*b", { a: 2, b: 2 }],
  ["梦+2*记-1*a.b", { 梦: 1, 记: 2, "a.b": -1 }],
])("%s is a sum", (text, expected) => {
  expect(terms(text)).toEqual(expected);
});

it.each([
  ["a+", /expected the name of an adapter.* got nothing/],
  ["+", /got nothing/],
  ["a+*b", /got "\*b"/],
  ["a*0.5*b", /got /],
  ["a+b c", /got "b c"/],
  ["a- b", /got "a- b".*with spaces around/],
  ["a+none", /"none" means the base model/],
  ["1e999*a", /expected finite weights/],
  ["a + 0x1*b", /got "0x1\*b"/],
])("%s is refused, with what was got", (text, message) => {
  expect(() => termsOf(text)).toThrow(message);
  expect(() => termsOf(text)).toThrow(`adapter "${text}"`);
});

it("takes no long time for a long text", () => {
  const begin = performance.now();
  for (const text of [`a+${"-1".repeat(50_000)}`, `a+${"1".repeat(100_000)}*`, `a+${" ".repeat(100_000)}*`]) {
    expect(() => termsOf(text)).toThrow("expected");
  }
  expect(performance.now() - begin).toBeLessThan(2000);
});
