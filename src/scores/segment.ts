/** @file Chinese text in words, as Python's jieba cuts it: what ROUGE counts. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Jieba } from "@node-rs/jieba";

/** What jieba looks up in its dictionary; everything else is cut into single characters. */
const BLOCK = /([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)/u;
/** Line ends of two characters are one word. */
const OTHER = /\r\n|[\s\S]/gu;
/** How jieba divides letters and digits that are no words of its dictionary: "GPT-4" is three words, "3.5%" is one. */
const PLAIN = /([a-zA-Z0-9]+(?:\.[0-9]+)?%?)/;
const isPlain = (token: string): boolean => /^[a-zA-Z0-9+#&._%-]+$/.test(token);
/** The only words of the dictionary without a Chinese character. */
const PLAIN_WORDS: ReadonlySet<string> = new Set(["AT&T", "c#", "C#", "c++", "C++"]);
/** Python's dictionary begins with a mark by which this line is lost here. */
const LOST = "B超 3 n\n";

let made: Jieba | undefined;

/** Made when it is needed first: the dictionary takes a quarter of a second and 50 MB. */
function jieba(): Jieba {
  if (made) return made;
  const require = createRequire(import.meta.url);
  const { Jieba } = require("@node-rs/jieba") as typeof import("@node-rs/jieba");
  made = Jieba.withDict(readFileSync(require.resolve("@node-rs/jieba/dict.txt")));
  made.loadDict(Buffer.from(LOST));
  return made;
}

/** The words of a text, in order: joined, they are the text. White space and punctuation are words, too. */
export function wordsOf(text: string): string[] {
  return text.split(BLOCK).flatMap((part, i) => {
    if (part === "") return [];
    return i % 2 === 1 ? wordsOfBlock(part) : (part.match(OTHER) ?? []);
  });
}

/**
 * jieba divides what is no word of its dictionary by rules of its own, and this library by others where letters and digits stand together:
 * such pieces are put together again, and divided as jieba does.
 */
function wordsOfBlock(block: string): string[] {
  const words: string[] = [];
  let plain = "";
  const flush = (): void => {
    words.push(...plain.split(PLAIN).filter((word) => word !== ""));
    plain = "";
  };
  for (const token of jieba().cut(block, true)) {
    if (isPlain(token) && !PLAIN_WORDS.has(token)) plain += token;
    else {
      flush();
      words.push(token);
    }
  }
  flush();
  return words;
}
