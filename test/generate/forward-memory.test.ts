/** @file Which runs forward count as large, at the published models' sizes. */
import { expect, it } from "vitest";
import { forwardBytes, LARGE_FORWARD } from "../../src/generate/forward-memory.ts";
import { PROMPT_RUN } from "../../src/generate/generate.ts";
import { readConfig } from "../../src/models/config.ts";
import { publishedGlm } from "../published-config.ts";

const config = readConfig({ ...publishedGlm, seq_length: 8192 }, "ChatGLM2-6B");
const isLarge = (run: Parameters<typeof forwardBytes>[1]) => forwardBytes(config, run) > LARGE_FORWARD;

it.each([
  ["a token", { tokens: 1, seen: 8192, chosen: 1 }, false],
  ["a token of each of 32 rows", { tokens: 32, seen: 8192, chosen: 32 }, false],
  ["part of a prompt, after 4,096 tokens", { tokens: PROMPT_RUN, seen: 4096 + PROMPT_RUN, chosen: 1 }, false],
  ["a context that is read as a whole", { tokens: 2048, seen: 2048, chosen: 1 }, true],
  ["the logits of every token", { tokens: 1024, seen: 1024, chosen: 1024 }, true],
])("%s", (_, run, expected) => {
  expect(isLarge(run)).toBe(expected);
});
