/** @file Methods of knowledge books: what they train where nothing is said, and what gives each more room. */
import { expect, test } from "vitest";
import { type BookMethod, bookConfig, largerThan } from "../../src/api/knowledge-method.ts";

test.each<[BookMethod, RegExp | undefined]>([
  [{}, /higher rank/],
  [{ method: "adaLora" }, /higher rank/],
  [{ method: "pTuning", length: 4 }, /longer prefix/],
  [{ method: "freeze", layers: 1 }, /more .*layers/],
  [{ method: "freeze", match: ["norm"] }, /\(match\)/],
  [{ method: "full", match: ["norm"] }, /\(match\)/],
  [{ method: "full" }, undefined],
  [{ method: "embeddings" }, /another method/],
])("%j has more room by its own options", (method, larger) => {
  const config = bookConfig(method);
  if (larger === undefined) expect(largerThan(config)).toBeUndefined();
  else expect(largerThan(config)).toMatch(larger);
});

test("those of low rank adapt every linear module unless a call says otherwise", () => {
  const every = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"];
  expect(bookConfig({ r: 2 })).toMatchObject({ method: "lora", r: 2, targets: every });
  expect(bookConfig({ method: "adaLora" })).toMatchObject({ targets: every });
  expect(bookConfig({ method: "adaLora", targets: ["dense"] })).toMatchObject({ targets: ["dense"] });
});
