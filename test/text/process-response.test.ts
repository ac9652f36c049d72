/** @file The published clean-up of answers: what it changes, and that it comes out the same however the text comes in. */
import { expect, test } from "vitest";
import type { Family } from "../../src/models/family.ts";
import { randomStream } from "../../src/random.ts";
import { processResponse } from "../../src/text/process-response.ts";

function streamed(family: Family, parts: readonly string[]): string {
  const stream = processResponse(family);
  return parts.map((part) => stream.push(part)).join("") + stream.end();
}

test.each([
  ["你好!我是ChatGLM-6B,很高兴见到你,欢迎问我任何问题.", "你好！我是ChatGLM-6B，很高兴见到你，欢迎问我任何问题."],
  ["答:是的;对吗?好", "答：是的；对吗？好"],
  ["a,b! 3:2 ?中 中 !", "a,b! 3:2 ？中 中 !"],
  ["我的知识截止于[[训练时间]],之后不知道", "我的知识截止于2023年，之后不知道"],
])("ChatGLM-6B: %s", (text, expected) => {
  expect(streamed("chatglm-6b", [text])).toBe(expected);
});

test.each(["chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const)("%s keeps its punctuation", (family) => {
  expect(streamed(family, ["你好!", "[[训练", "时间]]", ",[[训练"])).toBe("你好!2023年,[[训练");
});

/** The same at once, in the published steps. */
function atOnce(text: string): string {
  let result = text.replaceAll("[[训练时间]]", "2023年");
  for (const [narrow, wide] of [",，", "!！", ":：", ";；", "?？"]) {
    result = result.replace(new RegExp(`([\\u4e00-\\u9fff])\\${narrow}`, "g"), `$1${wide}`);
    result = result.replace(new RegExp(`\\${narrow}([\\u4e00-\\u9fff])`, "g"), `${wide}$1`);
  }
  return result;
}

test("random texts in random parts are what they are at once", () => {
  const parts = [
    "中",
    "龥",
    ",",
    "!",
    ":",
    "?",
    ";",
    "，",
    "a",
    " ",
    "[[",
    "[",
    "训练",
    "时间]]",
    "[[训练时间]]",
    "😀",
  ];
  const random = randomStream(7);
  for (let i = 0; i < 3000; i++) {
    const cut = Array.from({ length: 1 + Math.floor(random.uniform() * 12) }, () => {
      const length = Math.floor(random.uniform() * 4);
      return Array.from({ length }, () => parts[Math.floor(random.uniform() * parts.length)]).join("");
    });
    expect(streamed("chatglm-6b", cut), JSON.stringify(cut)).toBe(atOnce(cut.join("")));
  }
});

test("nothing is held back that can be shown", () => {
  const stream = processResponse("chatglm-6b");
  expect(["你好", "!", "ok", ",", "b[", "x[[训", "q"].map((part) => stream.push(part))).toEqual([
    "你好",
    "！",
    "ok",
    "",
    ",b",
    "[x",
    "[[训q",
  ]);
  expect(stream.end()).toBe("");
});
