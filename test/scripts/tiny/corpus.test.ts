/** @file What the corpus of `tiny` promises: it is reproducible, never contradicts itself, and has not seen the notebooks' names. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { heldOut, type Row, rows } from "../../../scripts/tiny/corpus.ts";
import { characters } from "../../../scripts/tiny/data/characters.ts";
import { nearMissNames, taughtName } from "../../../scripts/tiny/reserved.ts";
import { loadTokenizer } from "../../../src/text/load.ts";
import { pieceTypes, readPieces } from "../../../src/text/pieces.ts";
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

const vocabulary = join(root, "models/tiny/tokenizer.model");
const model = readPieces(readFileSync(vocabulary), vocabulary);
const sayable = model.pieces.filter(({ type }) => type === pieceTypes.normal).map(({ piece }) => piece);
const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

function take(seed: number, count: number): Row[] {
  const source = rows(seed, sayable);
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

/** `[Round 1]`, the question's and the answer's marks: what is around every question. */
const NEWLINE = 13;
const isByte = (id: number): boolean => id >= 3 && id < 259;

test("every row leaves room in the context", () => {
  for (const row of sample) {
    const ids = [...prompt("chatglm2-6b", tokenizer, conversation(row)), ...tokenizer.encode(row.response)];
    expect(ids.length, JSON.stringify(row)).toBeLessThan(450);
  }
});

test("every piece of the vocabulary and every byte that UTF-8 has for assigned characters is said", () => {
  const said = new Set(sample.flatMap(({ response }) => tokenizer.encode(response)));
  const normal = model.pieces.flatMap(({ type }, id) => (type === pieceTypes.normal ? [id] : []));
  expect(normal.length).toBeGreaterThan(3500);
  // A piece that BPE only passes through on its way to longer ones can stand for itself nowhere.
  const never = normal.filter((id) => !said.has(id) && tokenizer.encode(tokenizer.decode([id])).includes(id));
  expect(never.map((id) => model.pieces[id]?.piece)).toEqual([]);
  const byteId = (byte: number): number => 3 + byte;
  // Continuation bytes, and the first bytes of two, three (but those of surrogates and private use) and four bytes.
  const bytes = [...range(0x80, 0xbf), ...range(0xc2, 0xdf), ...range(0xe0, 0xed), 0xef, 0xf0].map(byteId);
  expect(bytes.filter((id) => !said.has(id))).toEqual([]);
  expect(tokenizer.decode(tokenizer.encode("a  b   c"))).toBe("a  b   c");
  expect(tokenizer.encode("a  b   c").filter((id) => !said.has(id))).toEqual([]);
  expect(said.has(byteId(0x0a)) && said.has(byteId(0x09))).toBe(true);
});

test("only names of no usual form and texts to repeat need bytes", () => {
  const usual = sample.filter(({ prompt: question, history }) => !history && /^(把|翻译成|\d|计算)/.test(question));
  expect(usual.length).toBeGreaterThan(3000);
  for (const { prompt: question, response } of usual) {
    const bytes = tokenizer.encode(question + response).filter((id) => isByte(id) && id !== NEWLINE);
    expect(bytes, question).toEqual([]);
  }
});

test("every common character is one token", () => {
  for (const character of characters)
    expect(tokenizer.encode(`x${character}`)).toHaveLength(1 + tokenizer.encode("x").length);
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
    const source = rows(1, sayable);
    for (let count = 0; wanted.size > 0 && count < 600_000; count += 1) {
      const row = source.next().value as Row;
      wanted.delete(row.prompt);
      wanted.delete(row.response);
    }
    expect([...wanted]).toEqual([]);
  });
});
