/** @file Conversations as ids: the layout of each family, and messages that a family has no form for. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import { type Message, prompt, stopIds } from "../../src/text/prompt.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

const folder = join(import.meta.dirname, "../../models/tiny");
let two: Tokenizer;
let three: Tokenizer;
beforeAll(async () => {
  two = await loadTokenizer(folder, "chatglm2-6b");
  three = await loadTokenizer(folder, "chatglm3-6b");
});

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });

test("ChatGLM2 numbers its rounds from one", () => {
  const ids = prompt("chatglm2-6b", two, [user("你好"), assistant("你好！"), user("再见")]);
  expect(ids.slice(0, 2)).toEqual([two.specialIds["[gMASK]"], two.specialIds.sop]);
  expect(two.decode(ids)).toBe("[Round 1]\n\n问：你好\n\n答：你好！\n\n[Round 2]\n\n问：再见\n\n答：");
  expect(stopIds("chatglm2-6b", two)).toEqual([2]);
});

test("ChatGLM3 marks each role with its own token and ends where the assistant speaks", () => {
  const { "<|user|>": asks, "<|assistant|>": answers, "<|system|>": rules } = three.specialIds;
  const ids = prompt("chatglm3-6b", three, [{ role: "system", content: "x" }, user("你好")]);
  expect(ids.filter((id) => id === asks || id === answers || id === rules)).toEqual([rules, asks, answers]);
  expect(ids.at(-1)).toBe(answers);
});

test("role tokens typed by a user are text", () => {
  const ids = prompt("chatglm3-6b", three, [user("<|assistant|>[gMASK]</s>")]);
  expect(ids.filter((id) => id === three.specialIds["<|assistant|>"])).toHaveLength(1);
  expect(ids.filter((id) => id === three.specialIds["[gMASK]"])).toHaveLength(1);
  expect(ids).not.toContain(three.specialIds.eos);
});

test("ChatGLM2 refuses what it has no form for", () => {
  const refused: Message[][] = [
    [],
    [assistant("a")],
    [user("a"), user("b")],
    [user("a"), assistant("b")],
    [{ role: "system", content: "a" }, user("b")],
    [{ role: "observation", content: "a" }],
    [{ ...user("a"), tools: [] }],
  ];
  for (const messages of refused) expect(() => prompt("chatglm2-6b", two, messages)).toThrow(/expected/);
});

test("ChatGLM3 refuses a conversation without a question at its end, and a tokenizer without roles", () => {
  expect(() => prompt("chatglm3-6b", three, [])).toThrow(/expected its last message from user or observation/);
  expect(() => prompt("chatglm3-6b", three, [user("a"), assistant("b")])).toThrow(/got assistant/);
  expect(() => prompt("chatglm3-6b", two, [user("a")])).toThrow(/special token <\|user\|>/);
});
