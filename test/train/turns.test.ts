import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { messagesOf, type Row, type RowTurn } from "../../src/data/row.ts";
import { toRows } from "../../src/data/rows.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import { type Message, prompt } from "../../src/text/prompt.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { cutOf, type EncodeOptions, encodeRows } from "../../src/train/encode.ts";
import { rowWriter } from "../../src/train/row-writer.ts";
import { textFixture } from "../text/fixtures.ts";

const TINY = join(import.meta.dirname, "../../models/tiny");
const words = await loadTokenizer(TINY, "chatglm3-6b");
const tools = [{ name: "track", description: "查股价", parameters: { type: "object", properties: {} } }];
const conversation = {
  tools,
  conversations: [
    { role: "system", content: "简短回答" },
    { role: "user", content: "股价多少？" },
    { role: "assistant", content: "我来查" },
    { role: "tool", name: "track", parameters: { symbol: "10111" }, observation: { price: 12 } },
    { role: "assistant", content: "12 元", loss: false },
    { role: "user", content: "谢谢" },
    { role: "assistant", content: "不客气" },
  ],
};
const encode = (rows: readonly Row[], options: Partial<EncodeOptions> = {}, tokenizer: Tokenizer = words) =>
  encodeRows(rows, rowWriter("chatglm3-6b", tokenizer), { maxLength: 999, ...options });

/** As the published preprocessing does it: a mask over tokens whose next token is learnt, then shifted by one. */
function published(messages: readonly (readonly [role: string, metadata: string, content: string, loss: boolean])[]) {
  const special = (name: string): number => words.specialIds[name] as number;
  const tokens = [special("[gMASK]"), special("sop")];
  const mask = [false, false];
  for (const [role, metadata, content, loss] of messages) {
    const own = [special(`<|${role}|>`), ...words.encode(`${metadata}\n`), ...words.encode(content)];
    tokens.push(...own);
    mask.push(...own.map(() => loss));
  }
  tokens.push(special("eos"));
  const shifted = [false, ...mask];
  return { inputIds: [tokens], labels: [tokens.map((id, i) => (shifted[i] ? id : -100))] };
}

describe("whole conversations in ChatGLM3's format", () => {
  test("ids and labels are those of the published preprocessing", () => {
    const offer =
      "Answer the following questions as best as you can. You have access to the following tools:\n" +
      JSON.stringify(tools, null, 4);
    expect(encode(toRows([conversation]))).toEqual(
      published([
        ["system", "", offer, false],
        ["system", "", "简短回答", false],
        ["user", "", "股价多少？", false],
        ["assistant", "", "我来查", true],
        ["assistant", "track", "```python\ntool_call(symbol='10111')\n```", true],
        ["observation", "", '{"price": 12}', false],
        ["assistant", "", "12 元", false],
        ["user", "", "谢谢", false],
        ["assistant", "", "不客气", true],
      ]),
    );
  });

  test("without tools, where one row a conversation is wanted", () => {
    const messages = [
      { role: "user", content: "一" },
      { role: "assistant", content: "二" },
      { role: "user", content: "三" },
      { role: "assistant", content: "四" },
    ];
    const expected = published([
      ["user", "", "一", false],
      ["assistant", "", "二", true],
      ["user", "", "三", false],
      ["assistant", "", "四", true],
    ]);
    expect(encode(toRows([{ messages }], { whole: true }))).toEqual(expected);
    // Row by row the same answers are learnt; the first ends with the end mark then, not with the next role.
    const [first, second] = encode(toRows([{ messages }])).labels.map((labels) => labels.filter((id) => id !== -100));
    const together = expected.labels[0]?.filter((id) => id !== -100) ?? [];
    expect([...(first as number[]).slice(0, -1), words.specialIds["<|user|>"], ...(second as number[])]).toEqual(
      together,
    );
  });

  test("what follows the last answer that is learnt ends it and is left out", () => {
    const turns: RowTurn[] = [
      { role: "user", content: "q" },
      { role: "assistant", metadata: "f", content: "call" },
      { role: "observation", content: "5" },
      { role: "assistant", content: "a", loss: false },
    ];
    const row = { prompt: "q", response: "call", turns };
    const { inputIds, labels } = encode([row]);
    expect(inputIds[0]?.at(-1)).toBe(words.specialIds["<|observation|>"]);
    expect(labels[0]?.filter((id) => id !== -100)).toEqual([
      ...words.encode("f\n"),
      ...words.encode("call"),
      words.specialIds["<|observation|>"],
    ]);
    expect(messagesOf(row)).toEqual([{ role: "user", content: "q" }]);
  });

  test("learnRole learns the token that opens an answer, and nothing else more", () => {
    const rows = [...toRows([conversation]), { prompt: "q", response: "a" }];
    const [plain, more] = [encode(rows), encode(rows, { learnRole: true })];
    expect(more.inputIds).toEqual(plain.inputIds);
    const role = words.specialIds["<|assistant|>"];
    const added = more.labels.map((labels, r) => labels.filter((id, i) => id !== plain.labels[r]?.[i]));
    // Of the first, the second call's is learnt anyway: it ends the answer before it.
    expect(added).toEqual([[role, role], [role]]);
  });

  test("GLM-4: tools in its own prompt, observations are read, the turn is handed over in the end", async () => {
    const four = await loadTokenizer(textFixture("glm-4-9b"), "glm-4-9b");
    const messages = [
      { role: "system", content: "", tools: [{ name: "f", description: "d" }] },
      { role: "user", content: "q" },
      { role: "assistant", metadata: "f", content: '{"x": 1}' },
      { role: "observation", content: "5" },
      { role: "assistant", content: "a" },
    ];
    const [row] = toRows([{ messages }]);
    const { inputIds, labels } = encodeRows([row as Row], rowWriter("glm-4-9b", four), { maxLength: 999 });
    const [ids = [], own = []] = [inputIds[0], labels[0]];
    // What the chat template writes before the last answer, then that answer.
    const asked = prompt("glm-4-9b", four, messages.slice(0, -1) as Message[]);
    const { "<|user|>": user = -1, "<|observation|>": observation = -1 } = four.specialIds;
    expect(ids).toEqual([...asked, ...four.encode("\n"), ...four.encode("a"), user]);
    expect(own.filter((id) => id !== -100)).toEqual([
      ...[...four.encode("f\n"), ...four.encode('{"x": 1}'), observation],
      ...[...four.encode("\n"), ...four.encode("a"), user],
    ]);
  });

  test("families without roles say so", async () => {
    const other = await loadTokenizer(TINY, "chatglm2-6b");
    const writer = rowWriter("chatglm2-6b", other);
    expect(() => encodeRows(toRows([conversation]), writer, { maxLength: 999 })).toThrow(
      /row 1 \("谢谢"\): Conversation: expected a family whose messages have roles, got chatglm2-6b.*need chatglm3-6b or glm-4-9b/,
    );
    expect(() => encodeRows([{ prompt: "q", response: "a" }], writer, { maxLength: 99, learnRole: true })).toThrow(
      /learnRole: expected a family/,
    );
  });
});

describe("cuts", () => {
  // Each of these is three or four byte tokens.
  const row = { prompt: "龘".repeat(10), response: "🎂".repeat(10) };
  const lengths = encode([row]).inputIds[0] as readonly number[];

  test("are between characters, within every limit, and counted", () => {
    expect(lengths.length).toBeGreaterThan(60);
    for (let maxLength = 12; maxLength < lengths.length; maxLength += 1) {
      const batch = encode([row], { maxLength });
      const [ids = []] = batch.inputIds;
      const [labels = []] = batch.labels;
      expect(ids.length).toBeLessThanOrEqual(maxLength);
      expect([ids[0], ids[1], ids.at(-1)]).toEqual([lengths[0], lengths[1], words.specialIds.eos]);
      const learnt = labels.filter((id) => id !== -100);
      expect(words.decode(learnt).trim()).toMatch(/^(🎂)+$/u);
      expect(words.decode(ids.slice(0, ids.length - learnt.length))).toMatch(/^\s*龘*\s*$/u);
      expect(cutOf(batch)).toMatchObject({ rows: 1, tokens: lengths.length - ids.length });
    }
    expect(cutOf(encode([row], { maxLength: lengths.length })).rows).toBe(0);
  });

  test("maxPromptLength cuts the prompt alone", () => {
    const batch = encode([row, { prompt: "a", response: "b" }], { maxPromptLength: 15 });
    const [ids = [], short = []] = batch.inputIds;
    expect(short).toEqual(encode([{ prompt: "a", response: "b" }]).inputIds[0]);
    const asked = batch.labels[0]?.filter((label) => label === -100).length ?? 0;
    expect(asked).toBeLessThanOrEqual(15);
    expect(asked).toBeGreaterThan(10);
    expect(cutOf(batch)).toEqual({ prompts: 1, answers: 0, rows: 1, tokens: lengths.length - ids.length });
  });

  test("a row without room for one character of its answer is refused", () => {
    expect(() => encode([row], { maxLength: 7 })).toThrow(
      /expected room for one character of its answer, got 7 tokens\. Raise maxLength/,
    );
  });

  test("whole conversations lose their first turns, and labels stay beside their ids", () => {
    const whole = encode(toRows([conversation]));
    const [all = [], learnt = []] = [whole.inputIds[0], whole.labels[0]];
    const { inputIds, labels } = encode(toRows([conversation]), { maxLength: 60 });
    const [ids = [], own = []] = [inputIds[0], labels[0]];
    expect(ids.length).toBeLessThanOrEqual(60);
    expect(ids.slice(2)).toEqual(all.slice(all.length - ids.length + 2));
    expect(own.slice(2)).toEqual(learnt.slice(all.length - ids.length + 2));
  });
});
