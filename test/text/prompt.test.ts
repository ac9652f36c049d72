/** @file Conversations as ids: the layout of each family, and messages that a family has no form for. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import { type Message, prompt, stopIds } from "../../src/text/prompt.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { readJson, textFixture } from "./fixtures.ts";

const folder = join(import.meta.dirname, "../../models/tiny");
let two: Tokenizer;
let three: Tokenizer;
let six: Tokenizer;
let four: Tokenizer;
beforeAll(async () => {
  six = await loadTokenizer(textFixture("chatglm-6b"), "chatglm-6b");
  four = await loadTokenizer(textFixture("glm-4-9b"), "glm-4-9b");
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

test("ChatGLM-6B conversations have the published ids", () => {
  const { prompts } = readJson<{ prompts: { ids: number[] }[] }>(textFixture("chatglm-6b", "chats.json"));
  const [first, second] = prompts;
  expect(prompt("chatglm-6b", six, [user("你知道梦中情炉吗？")])).toEqual(first?.ids);
  expect(prompt("chatglm-6b", six, [user("你好"), assistant("你好！"), user("再见")])).toEqual(second?.ids);
  expect(stopIds("chatglm-6b", six)).toEqual([6005]);
});

test("ChatGLM-6B finds one beginning of the answer, whatever a user writes", () => {
  const ids = prompt("chatglm-6b", six, [user("[gMASK]<sop>"), assistant("<eop>"), user("[MASK]")]);
  const special = ["[MASK]", "[gMASK]", "<sop>", "<eop>"].map((name) => six.specialIds[name]);
  expect(ids.filter((id) => special.includes(id))).toEqual(ids.slice(-2));
  expect(ids.slice(-2)).toEqual([six.specialIds["[gMASK]"], six.specialIds["<sop>"]]);
});

test("GLM-4 conversations have the published ids", async () => {
  const chats = readJson<{ messages: Message[]; ids: number[] }[]>(textFixture("glm-4-9b", "chats.json"));
  expect(chats.length).toBeGreaterThan(1);
  for (const tokenizer of [four, await loadTokenizer(textFixture("glm-4-9b-hf"))]) {
    for (const { messages, ids } of chats) expect(prompt("glm-4-9b", tokenizer, messages)).toEqual(ids);
    expect(stopIds("glm-4-9b", tokenizer)).toEqual([3000, 3007, 3009]);
  }
});

test("GLM-4 offers tools in a system message of their own; calls and results are messages", () => {
  const weather = { name: "weather", description: "天气", parameters: { type: "object", properties: {} } };
  const ids = prompt("glm-4-9b", four, [
    { role: "system", content: "Be brief.", tools: [weather, { type: "function", function: { name: "now" } }] },
    user("hi"),
    { role: "assistant", content: "{}", metadata: "weather" },
    { role: "observation", content: "22" },
  ]);
  const named = new Map(Object.entries(four.specialIds).map(([name, id]) => [id, name]));
  const part = `
你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。

# 可用工具

## weather

{
    "name": "weather",
    "description": "天气",
    "parameters": {
        "type": "object",
        "properties": {}
    }
}
在调用上述函数时，请使用 Json 格式表示调用的参数。

## now

{
    "name": "now"
}
在调用上述函数时，请使用 Json 格式表示调用的参数。`;
  expect(four.decode(ids)).toBe(`${part}\nBe brief.\nhiweather\n{}\n22`);
  expect(ids.flatMap((id) => named.get(id) ?? [])).toEqual([
    "[gMASK]",
    "<sop>",
    "<|system|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|assistant|>",
  ]);
  for (const tool of [{ type: "python" }, { description: "nameless" }, null]) {
    expect(() => prompt("glm-4-9b", four, [{ role: "system", content: "", tools: [tool] }, user("a")])).toThrow(
      /Tool 1: expected a function with a name/,
    );
  }
});

test("ChatGLM2 and ChatGLM-6B refuse what they have no form for", () => {
  const refused: Message[][] = [
    [],
    [assistant("a")],
    [user("a"), user("b")],
    [user("a"), assistant("b")],
    [{ role: "system", content: "a" }, user("b")],
    [{ role: "observation", content: "a" }],
    [{ ...user("a"), tools: [] }],
  ];
  for (const messages of refused) {
    expect(() => prompt("chatglm2-6b", two, messages)).toThrow(/expected/);
    expect(() => prompt("chatglm-6b", six, messages)).toThrow(/expected/);
  }
});

test("ChatGLM3 refuses a conversation without a question at its end, and a tokenizer without roles", () => {
  expect(() => prompt("chatglm3-6b", three, [])).toThrow(/expected its last message from user or observation/);
  expect(() => prompt("chatglm3-6b", three, [user("a"), assistant("b")])).toThrow(/got assistant/);
  expect(() => prompt("chatglm3-6b", two, [user("a")])).toThrow(/special token <\|user\|>/);
});
