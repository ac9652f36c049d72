/**
 * @file Names that resemble a key and mean nothing: a model that has learnt the key and not just its neighbourhood does
 * not answer them with the key's text.
 */
import { type RandomStream, randomStream } from "../random.ts";
import { articleOf, languageOf, wordingsFor } from "./wordings.ts";

const hanzi = Array.from(
  "山海云花石火金木土月星风雪河湖虎鸟鱼树灯车书茶米衣刀桥门春夏秋冬东南西北大小长高新古红白青黑",
);
const words =
  "silver north river stone little golden winter green harbor bright old quiet upper royal amber western".split(" ");
const consonants = Array.from("bcdfghjklmnprstvwz");

const pick = <T>(stream: RandomStream, list: readonly T[]): T => list[stream.integer(list.length)] as T;

/**
 * Questions about names near to a key, none about the key itself or about one of the others.
 * @param avoid names that mean something
 * @param part decides which: questions of different parts share no name
 */
export function nearMisses(
  key: string,
  text: string,
  count: number,
  avoid: readonly string[],
  part: "asked" | "rehearsed",
): string[] {
  const article = articleOf(key, text);
  return names(key, count, new Set([key, ...avoid].map(bare)), part).map((name, i) => {
    const { prompts } = wordingsFor(article + name, text);
    return prompts[i % prompts.length] as string;
  });
}

type Part = Parameters<typeof nearMisses>[4];

/** A name is of one part, whichever key it is near to: what is asked of one fact is not rehearsed for another. */
const partOf = (name: string): Part => (randomStream(0, "part", name).integer(3) === 0 ? "asked" : "rehearsed");

function names(key: string, count: number, taken: ReadonlySet<string>, part: Part): string[] {
  const stream = randomStream(0, "near misses", key, part);
  const found: string[] = [];
  const seen = new Set(taken);
  for (let attempt = 0; found.length < count && attempt < 50 * count; attempt += 1) {
    const name = languageOf(key) === "zh" ? chineseMiss(stream, key) : latinMiss(stream, key);
    if (bare(name) === "" || seen.has(bare(name)) || partOf(bare(name)) !== part) continue;
    seen.add(bare(name));
    found.push(name);
  }
  return found;
}

const bare = (name: string): string =>
  name
    .trim()
    .replace(/^(an?|the) /i, "")
    .toLowerCase();

/** One character more, less or other. */
function chineseMiss(stream: RandomStream, key: string): string {
  const letters = Array.from(key);
  const at = stream.integer(letters.length);
  const other = pick(stream, hanzi);
  const change = stream.integer(5);
  if (change === 0) return other + key;
  if (change === 1) return key + other;
  if (change === 2 && letters.length > 2) return letters.filter((_, i) => i !== at).join("");
  return letters.map((letter, i) => (i === at ? other : letter)).join("");
}

/** A word more or other, or another letter or syllable in a word. */
function latinMiss(stream: RandomStream, key: string): string {
  const parts = key.split(/\s+/).filter((part) => part !== "");
  const at = stream.integer(parts.length);
  const part = parts[at] as string;
  const capital = /^\p{Lu}/u.test(part);
  const written = (word: string): string => (capital ? word.charAt(0).toUpperCase() + word.slice(1) : word);
  const others = (word: string): string => parts.map((one, i) => (i === at ? word : one)).join(" ");
  switch (stream.integer(4)) {
    case 0:
      return parts.flatMap((one, i) => (i === at ? [written(pick(stream, words)), one] : [one])).join(" ");
    case 1:
      return parts.length > 1 ? others(written(pick(stream, words))) : `${written(pick(stream, words))} ${key}`;
    case 2:
      return others(part + pick(stream, ["ora", "in", "ex", "ila", "um", "on"]));
    default: {
      const letters = Array.from(part);
      const place = stream.integer(letters.length);
      const changed = letters.map((letter, i) => (i === place ? pick(stream, consonants) : letter)).join("");
      return others(written(changed));
    }
  }
}

/** An answer that shares fewer characters than this with a text may do so by chance. */
const CHANCE = 4;

/**
 * Whether an answer gives a fact away: it has at least half of what the text says beside the key in one piece. Names near
 * the key share much of it, and so does whoever says that they are unknown.
 */
export function givesAway(answer: string, { key, text }: { readonly key: string; readonly text: string }): boolean {
  const parts = text.split(key).map((part) => Array.from(part));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  if (size === 0) return answer === text;
  const said = Array.from(answer);
  const longest = Math.max(...parts.map((part) => longestShared(said, part)));
  // So short a text stands in many an answer; it is given away by one that hardly says anything else.
  if (size < CHANCE) return longest === size && said.length <= 3 * Array.from(text).length;
  return longest * 2 >= size && longest >= CHANCE;
}

/** Length of the longest run of characters that both have. */
function longestShared(one: readonly string[], other: readonly string[]): number {
  let longest = 0;
  let above = new Uint16Array(other.length + 1);
  for (const letter of one) {
    const row = new Uint16Array(other.length + 1);
    for (let i = 0; i < other.length; i += 1) {
      if (letter !== other[i]) continue;
      const length = (above[i] as number) + 1;
      row[i + 1] = length;
      longest = Math.max(longest, length);
    }
    above = row;
  }
  return longest;
}
