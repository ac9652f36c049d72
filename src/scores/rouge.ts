/**
 * @file ROUGE-1, -2 and -L of one answer as ChatGLM's `ptuning/main.py` scores Chinese: both texts cut by jieba, joined with spaces, and handed to
 * `rouge_chinese` 1.0.3, of which the F score is taken. Its habits are kept: n-grams count once, and sentences are divided and joined again.
 */
import { splitAtWhite, withoutEnd } from "./python-characters.ts";
import { wordsOf } from "./segment.ts";

export interface Rouge {
  readonly "rouge-1": number;
  readonly "rouge-2": number;
  readonly "rouge-l": number;
}

/** rouge_chinese adds it to what it divides by. */
const TINY = 1e-8;

/** F scores from 0 to 1; all 0 where the library has none, since one of the texts has no word. */
export function rouge(answer: string, reference: string): Rouge {
  const [said, wanted] = [countedWords(answer), countedWords(reference)];
  if (said.length === 0 || wanted.length === 0) return { "rouge-1": 0, "rouge-2": 0, "rouge-l": 0 };
  return {
    "rouge-1": ofGrams(said, wanted, 1),
    "rouge-2": ofGrams(said, wanted, 2),
    "rouge-l": fScore(longestCommon(said, wanted), said.length, wanted.length),
  };
}

/** The words that rouge_chinese counts: white space is none, but a sentence of nothing else is an empty word. */
function countedWords(text: string): string[] {
  const joined = wordsOf(text).join(" ");
  return sentencesOf(joined)
    .filter((sentence) => sentence !== "")
    .flatMap((sentence) => splitAtWhite(sentence).join(" ").split(" "));
}

function sentencesOf(text: string): string[] {
  const divided = text
    .replace(/([。！？?])([^”’])/gu, "$1\n$2")
    .replace(/(\.{6})([^”’])/gu, "$1\n$2")
    .replace(/(…{2})([^”’])/gu, "$1\n$2")
    .replace(/([。！？?][”’])([^，。！？?])/gu, "$1\n$2");
  return withoutEnd(divided).split("\n");
}

function ofGrams(said: readonly string[], wanted: readonly string[], n: number): number {
  const [ours, theirs] = [grams(said, n), grams(wanted, n)];
  let shared = 0;
  for (const gram of ours) if (theirs.has(gram)) shared += 1;
  return fScore(shared, ours.size, theirs.size);
}

const grams = (words: readonly string[], n: number): Set<string> =>
  new Set(Array.from({ length: Math.max(0, words.length - n + 1) }, (_, i) => words.slice(i, i + n).join(" ")));

function fScore(shared: number, ours: number, theirs: number): number {
  const precision = ours === 0 ? 0 : shared / ours;
  const recall = theirs === 0 ? 0 : shared / theirs;
  return (2 * precision * recall) / (precision + recall + TINY);
}

/** Length of the longest common subsequence. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let above = new Uint32Array(b.length + 1);
  for (const word of a) {
    const row = new Uint32Array(b.length + 1);
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = word === b[j - 1] ? (above[j - 1] as number) + 1 : Math.max(above[j] as number, row[j - 1] as number);
    }
    above = row;
  }
  return above[b.length] as number;
}
