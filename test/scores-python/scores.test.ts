/** @file Words, BLEU-4 and ROUGE of two hundred pairs beside jieba, NLTK and rouge_chinese. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { bleu4 } from "../../src/scores/bleu.ts";
import { type Rouge, rouge } from "../../src/scores/rouge.ts";
import { wordsOf } from "../../src/scores/segment.ts";
import { pairs } from "./pairs.ts";

const PYTHON = process.env.GLMLAB_SCORES_PYTHON;
const TOLERANCE = 1e-6;

interface Theirs {
  readonly words: readonly [string[], string[]];
  readonly "bleu-4": number;
  /** Null where the library refuses a text without words. */
  readonly rouge: Rouge | null;
}

const ours = pairs();
let theirs: readonly Theirs[];
beforeAll(async () => {
  if (!PYTHON) throw new Error("expected GLMLAB_SCORES_PYTHON: run these by npm run test:scores");
  const folder = await mkdtemp(join(tmpdir(), "glmlab-scores-"));
  try {
    const [given, found] = [join(folder, "pairs.json"), join(folder, "results.json")];
    await writeFile(given, JSON.stringify(ours));
    await promisify(execFile)(PYTHON, ["-B", join(import.meta.dirname, "scores_side.py"), given, found]);
    theirs = JSON.parse(await readFile(found, "utf8")) as Theirs[];
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("there are two hundred of all kinds", () => {
  expect(ours).toHaveLength(200);
  expect(theirs).toHaveLength(200);
  expect(theirs.filter((one) => one.rouge === null).length).toBeLessThan(10);
  expect(theirs.filter((one) => one["bleu-4"] > 0.1 && one["bleu-4"] < 0.9).length).toBeGreaterThan(80);
});

it("words are jieba's", () => {
  for (const [i, [answer, reference]] of ours.entries()) {
    expect([wordsOf(answer), wordsOf(reference)]).toEqual(theirs[i]?.words);
  }
});

it("BLEU-4 is NLTK's", () => {
  const differences = ours.map(([answer, reference], i) =>
    Math.abs(bleu4(answer, reference) - (theirs[i]?.["bleu-4"] ?? Number.NaN)),
  );
  expect(Math.max(...differences)).toBeLessThan(TOLERANCE);
});

it("ROUGE is rouge_chinese's", () => {
  const none: Rouge = { "rouge-1": 0, "rouge-2": 0, "rouge-l": 0 };
  const differences = ours.flatMap(([answer, reference], i) => {
    const [own, other] = [rouge(answer, reference), theirs[i]?.rouge ?? none];
    return (Object.keys(none) as (keyof Rouge)[]).map((name) => Math.abs(own[name] - other[name]));
  });
  expect(Math.max(...differences)).toBeLessThan(TOLERANCE);
});
