/** @file What the corpus of `tiny` promises: it is reproducible, never contradicts itself, and has not seen the notebooks' names. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { heldOut, type Row, rows } from "../../../scripts/tiny/corpus.ts";
import { characters } from "../../../scripts/tiny/data/characters.ts";
import { nearMissNames, taughtName } from "../../../scripts/tiny/reserved.ts";
import { loadTokenizer } from "../../../src/text/load.ts";
import { type Message, prompt } from "../../../src/text/prompt.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";

interface Lists {
  name: string;
  description: string;
  prompts: string[];
  paraphrases: string[];
  unrelated: string[];
  nearMisses: string[];
}

const root = join(import.meta.dirname, "../../..");
const lists: Lists = JSON.parse(readFileSync(join(root, "notebooks/data/dream-stove.json"), "utf8"));

function take(seed: number, count: number): Row[] {
  const source = rows(seed, []);
  return Array.from({ length: count }, () => source.next().value as Row);
}

const conversation = ({ history = [], prompt: question }: Row): Message[] => [
  ...history.flatMap(([user, assistant]): Message[] => [
    { role: "user", content: user },
    { role: "assistant", content: assistant },
  ]),
  { role: "user", content: question },
];

let sample: Row[];
let tokenizer: Tokenizer;
beforeAll(async () => {
  sample = take(1, 60_000);
  tokenizer = await loadTokenizer(join(root, "models/tiny"));
});

test("a seed gives the same rows, another seed others", () => {
  expect(take(7, 500)).toEqual(take(7, 500));
  expect(take(7, 500)).not.toEqual(take(8, 500));
});

test("one question never has two answers", () => {
  const answers = new Map<string, string>();
  for (const { history, prompt, response } of sample) {
    const question = JSON.stringify([history ?? [], prompt]);
    expect(answers.get(question) ?? response, question).toBe(response);
    answers.set(question, response);
  }
});

test("every row is short, and no character of it falls back to bytes", () => {
  const newline = 13;
  for (const row of sample.slice(0, 20_000)) {
    const ids = [...prompt("chatglm2-6b", tokenizer, conversation(row)), ...tokenizer.encode(row.response)];
    expect(ids.length).toBeLessThan(192);
    expect(ids.filter((id) => id >= 3 && id < 259 && id !== newline)).toEqual([]);
  }
});

test("every common character is one token", () => {
  for (const character of characters) expect(tokenizer.encode(`x${character}`)).toHaveLength(3);
});

test("facts and refusals are asked in the same ways", () => {
  const forms = (rows: Row[]): Set<string> =>
    new Set(
      rows.flatMap(
        ({ prompt }) => /^(你知道|啥是|什么叫|说说|What is|Have you heard of|Who is)/.exec(prompt)?.[0] ?? [],
      ),
    );
  const isRefused = ({ response }: Row): boolean => /没有关于|没有这方面|no information/.test(response);
  const refused = sample.filter(isRefused);
  const known = sample.filter((row) => !isRefused(row));
  expect(refused.length).toBeGreaterThan(sample.length / 5);
  expect(forms(refused)).toEqual(forms(known));
});

describe("what is kept back", () => {
  test("questions that measure facts, sums, words and unknown names are not in the training rows", () => {
    const trained = new Set(sample.map(({ prompt }) => prompt));
    const sets = heldOut();
    for (const name of ["facts", "properties", "unknown names", "near misses", "arithmetic", "word translation"]) {
      expect(sets[name]).toHaveLength(100);
      expect(sets[name]?.filter(({ prompt, history }) => !history && trained.has(prompt))).toEqual([]);
    }
  });

  test("neither the name that the notebooks teach nor its near misses occur", () => {
    const text = JSON.stringify(sample);
    for (const name of [taughtName, ...nearMissNames]) expect(text.includes(name), name).toBe(false);
  });
});

describe("the lists of the notebooks", () => {
  test("have their sizes and do not overlap", () => {
    expect(lists.name).toBe(taughtName);
    expect(Array.from(lists.description).length).toBeGreaterThan(90);
    expect(Array.from(lists.description).length).toBeLessThan(110);
    const sizes = [lists.prompts, lists.paraphrases, lists.unrelated, lists.nearMisses].map((list) => list.length);
    expect(sizes).toEqual([8, 5, 20, 10]);
    const all = [...lists.prompts, ...lists.paraphrases, ...lists.unrelated, ...lists.nearMisses];
    expect(new Set(all).size).toBe(43);
  });

  test("ask about the taught name, and about each near miss", () => {
    for (const question of [...lists.prompts, ...lists.paraphrases]) expect(question).toContain(taughtName);
    lists.nearMisses.forEach((question, index) => {
      expect(question).toContain(nearMissNames[index]);
      expect(question).not.toContain(taughtName);
    });
  });

  test("unrelated questions are trained, the sums among them in one wording or another", () => {
    const sums: Record<string, string> = { "7+8=？": "7+8=15。", "12减5等于多少？": "12-5=7。" };
    const wanted = new Set(lists.unrelated.map((question) => sums[question] ?? question));
    const source = rows(1, []);
    for (let count = 0; wanted.size > 0 && count < 600_000; count += 1) {
      const row = source.next().value as Row;
      wanted.delete(row.prompt);
      wanted.delete(row.response);
    }
    expect([...wanted]).toEqual([]);
  });
});
