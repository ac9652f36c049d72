/**
 * @file The published ChatGLM2 tokenizer: ids, text and conversations must equal those of the published code.
 *
 * The file is not ours to ship. GLMLAB_REFERENCE names a folder that holds it with the expected ids; by default the one
 * beside the checkout that development machines have. Without it these tests are skipped.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import { type Message, prompt, type Role, stopIds } from "../../src/text/prompt.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

const reference = process.env.GLMLAB_REFERENCE ?? join(import.meta.dirname, "../../../shared");
const model = join(reference, "tokenizers/chatglm2/tokenizer.model");
const expected = join(reference, "oracle/tokenizers");
const missing = existsSync(model) && existsSync(expected) ? "" : ` (skipped: ${model} or ${expected} is missing)`;

interface Line {
  text: string;
  ids: number[];
  decoded: string;
}

interface Chats {
  chatglm2: { query: string; history: [string, string][]; ids: number[] }[];
  chatglm3: { query: string; role: Role; history: Message[]; ids: number[] }[];
  special: Record<"chatglm2" | "chatglm3", Record<string, number>>;
}

describe.skipIf(missing !== "")(`the published ChatGLM2 and ChatGLM3 tokenizers${missing}`, () => {
  let two: Tokenizer;
  let three: Tokenizer;
  let lines: Line[];
  let chats: Chats;
  beforeAll(async () => {
    two = await loadTokenizer(dirname(model), "chatglm2-6b");
    three = await loadTokenizer(dirname(model), "chatglm3-6b");
    lines = JSON.parse(gunzipSync(readFileSync(join(expected, "chatglm2.json.gz"))).toString("utf8"));
    chats = JSON.parse(readFileSync(join(expected, "chats.json"), "utf8"));
  });

  test("every line has the published ids", () => {
    expect(lines.length).toBeGreaterThan(2000);
    expect(lines.filter(({ text, ids }) => two.encode(text).join() !== ids.join())).toEqual([]);
  });

  test("every line decodes to the published text, at once and as a stream", () => {
    const wrong = lines.filter(({ ids, decoded }) => {
      const stream = two.stream();
      const streamed = ids.map((id) => stream.push(id)).join("") + stream.end();
      return two.decode(ids) !== decoded || streamed !== decoded;
    });
    expect(wrong).toEqual([]);
  });

  test("special tokens have the published ids", () => {
    expect(two.specialIds).toEqual({ unk: 0, pad: 0, bos: 1, eos: 2, ...chats.special.chatglm2 });
    expect(three.specialIds).toEqual({ unk: 0, pad: 0, bos: 1, eos: 2, ...chats.special.chatglm3 });
    expect([two.vocabularySize, three.vocabularySize]).toEqual([64794, 64798]);
    expect(stopIds("chatglm2-6b", two)).toEqual([2]);
    expect(stopIds("chatglm3-6b", three)).toEqual([2, 64795, 64797]);
  });

  test("ChatGLM2 conversations have the published ids", () => {
    for (const { query, history, ids } of chats.chatglm2) {
      const messages = history.flatMap(([user, assistant]): Message[] => [
        { role: "user", content: user },
        { role: "assistant", content: assistant },
      ]);
      expect(prompt("chatglm2-6b", two, [...messages, { role: "user", content: query }])).toEqual(ids);
    }
  });

  test("ChatGLM3 conversations, with system messages, tools and observations, have the published ids", () => {
    for (const { query, role, history, ids } of chats.chatglm3) {
      expect(prompt("chatglm3-6b", three, [...history, { role, content: query }])).toEqual(ids);
    }
  });
});
