/** @file Trials of training rows: a file of any published shape is changed, read, and made tokens of. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRows } from "../../src/data/read-files.ts";
import type { Row } from "../../src/data/row.ts";
import { randomStream } from "../../src/random.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { encodeRows } from "../../src/train/encode.ts";
import { rowWriter } from "../../src/train/row-writer.ts";
import { once, pick } from "./choice.ts";
import { mustBeMeant, type Outcome, type Trials } from "./kinds.ts";
import { byteMutators } from "./mutate-bytes.ts";
import { mutatedJson } from "./mutate-json.ts";

const values: readonly object[] = [
  { prompt: "你知道梦中情炉吗？", response: "不知道。", system: "说实话", history: [["你好", "你好！"]] },
  { instruction: "Translate", input: "stove", output: "炉子" },
  { content: "上衣*颜色#白", summary: "白色的上衣" },
  { context: "Instruction: a\nAnswer: ", target: "b" },
  {
    messages: [
      { role: "system", content: "s" },
      { role: "user", content: "q" },
      { role: "assistant", content: "a" },
    ],
  },
  {
    conversations: [
      { from: "human", value: "q" },
      { from: "gpt", value: "a" },
      { role: "user", content: "r" },
      { role: "assistant", content: "b" },
    ],
  },
  {
    tools: [{ name: "f", parameters: {} }],
    conversations: [
      { role: "user", content: "q" },
      { role: "tool", name: "f", parameters: { x: 1, y: ["z"] }, observation: { a: null } },
      { role: "assistant", content: "a", loss: false },
      { role: "user", content: "r" },
      { role: "assistant", content: "b", metadata: "" },
    ],
  },
];
const LONGEST = 64;
const ROWS = 20;

const encode = (text: string): number[] => [...text].map((character) => 100 + (character.codePointAt(0) as number));

const special = [
  ...["pad", "bos", "eos", "unk", "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"],
  ...["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
];

/** A token for each character. SentencePiece makes code from text, which this process may not. */
const characters: Tokenizer = {
  vocabularySize: 2 ** 21,
  specialIds: Object.fromEntries(special.map((name, id) => [name, id])),
  encode,
  encodePlain: encode,
  decode: (ids) => String.fromCodePoint(...[...ids].flatMap((id) => (id < 100 ? [] : [id - 100]))),
  stream: () => ({ push: (id) => (id < 100 ? "" : String.fromCodePoint(id - 100)), end: () => "" }),
};

/** Rows are refused with a message, or read as rows that training takes. */
export const rowTrials: Trials = async (folder, seed) => {
  const writer = rowWriter("chatglm3-6b", characters);
  const file = join(folder, "rows.json");
  return async (trial) => {
    const random = randomStream(seed, "rows", trial);
    const shape = pick(random, values);
    const rows = Array.from({ length: 1 + random.integer(ROWS) }, () =>
      once(random, 4) ? pick(random, values) : shape,
    );
    const isLines = once(random, 2);
    const changed = random.integer(rows.length);
    const json = once(random, 2);
    const mutate = pick(random, Object.keys(byteMutators));
    const mutation = `${isLines ? "lines" : "array"}: ${json ? "JSON values" : mutate}`;
    const text = (row: object, i: number): string => {
      const written = JSON.stringify(row);
      return json && i === changed ? mutatedJson(written, random) : written;
    };
    const whole = isLines ? rows.map(text).join("\n") : `[${rows.map(text).join(",\n")}]`;
    const bytes = Buffer.from(whole);
    await writeFile(file, json ? bytes : (byteMutators[mutate] as (typeof byteMutators)[string])(bytes, random));
    const what = `${mutation} of ${rows.length} rows`;
    try {
      return { mutation, what, outcome: outcomeOf(await readRows(file, { unanswered: once(random, 2) })) };
    } catch (error) {
      mustBeMeant(error);
      return { mutation, what, outcome: "refused" };
    }
  };

  function outcomeOf(rows: readonly Row[]): Outcome {
    for (const { prompt, response, system = "", history = [] } of rows) {
      const texts = [prompt, response, system, ...history.flat()];
      if (texts.every((text) => typeof text === "string") && history.every((round) => round.length === 2)) continue;
      throw new Error("it was read as something that is no row");
    }
    const answered = rows.filter(({ response }) => response !== "");
    if (answered.length === 0) return "same";
    const { inputIds, labels } = encodeRows(answered, writer, { maxLength: LONGEST });
    if (inputIds.some((ids, i) => ids.length > LONGEST || ids.length !== labels[i]?.length)) {
      throw new Error("it was encoded to rows of other lengths");
    }
    return "same";
  }
};
