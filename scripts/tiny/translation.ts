/** @file Words and short sentences from Chinese to English and back; invented words are refused. */
import { type Pattern, patterns, sentencePairs, wordPairs } from "./data/words.ts";
import { knownNames } from "./knowledge.ts";
import { inventName } from "./names.ts";
import { hash, type Random } from "./random.ts";
import type { Row, Split } from "./row.ts";
import { fill, refusalEn, refusalZh } from "./templates.ts";

type Direction = "to English" | "to Chinese";

const wordForms: Record<Direction, readonly string[]> = {
  "to English": [
    "把“{s}”翻译成英文。",
    "把{s}翻译成英文。",
    "翻译成英文：{s}",
    "“{s}”用英语怎么说？",
    "{s}用英语怎么说？",
    "{s}的英文是什么？",
    "Translate into English: {s}",
    "How do you say {s} in English?",
  ],
  "to Chinese": [
    "把“{s}”翻译成中文。",
    "把{s}翻译成中文。",
    "翻译成中文：{s}",
    "{s}用中文怎么说？",
    "{s}的中文是什么？",
    "Translate into Chinese: {s}",
    "How do you say {s} in Chinese?",
  ],
};

const sentenceForms: Record<Direction, readonly string[]> = {
  "to English": ["翻译成英文：{s}", "请翻译成英文：{s}", "Translate into English: {s}"],
  "to Chinese": ["翻译成中文：{s}", "请翻译成中文：{s}", "Translate into Chinese: {s}"],
};

function turn(direction: Direction, [zh, en]: readonly [string, string]): [string, string] {
  return direction === "to English" ? [zh, en] : [en, zh];
}

/** A known word; one of ten pairs of a word and a form is never trained. */
export function wordTranslationRow(random: Random, split: Split): Row {
  for (;;) {
    const direction = random.chance(0.5) ? "to English" : "to Chinese";
    const [from, to] = turn(direction, random.pick(wordPairs));
    const form = random.pick(wordForms[direction]);
    if ((hash(`${from}|${form}`) % 10 === 0) !== (split === "held-out")) continue;
    return { prompt: fill(form, { s: from }), response: to };
  }
}

function sentence(random: Random): [string, string] {
  if (random.chance(0.15)) return random.pick(sentencePairs);
  const pattern: Pattern = random.pick(patterns);
  const chosen = pattern.slots.map((slot) => random.pick(slot));
  const values = (side: 0 | 1): Record<string, string> =>
    Object.fromEntries(chosen.map((pair, index) => [String(index), pair[side]]));
  const en = fill(pattern.en, values(1));
  return [fill(pattern.zh, values(0)), en.charAt(0).toUpperCase() + en.slice(1)];
}

/** A short sentence; one sentence of ten is never trained. */
export function sentenceTranslationRow(random: Random, split: Split): Row {
  for (;;) {
    const pair = sentence(random);
    if ((hash(pair[0]) % 10 === 0) !== (split === "held-out")) continue;
    const direction = random.chance(0.5) ? "to English" : "to Chinese";
    const [from, to] = turn(direction, pair);
    return { prompt: fill(random.pick(sentenceForms[direction]), { s: from }), response: to };
  }
}

/** An invented word that cannot be translated. */
export function unknownTranslationRow(random: Random, split: Split): Row {
  const direction = random.chance(0.6) ? "to English" : "to Chinese";
  const language = direction === "to English" ? "zh" : "en";
  const near = wordPairs.map(([zh, en]) => (language === "zh" ? zh : en));
  const name = inventName(random, {
    language,
    kind: "word",
    near,
    nearness: 0.3,
    known: knownNames,
    heldOut: split === "held-out",
  });
  const form = random.pick(wordForms[direction]);
  const refuse = /^[A-Z]/.test(form) ? refusalEn : refusalZh;
  return { prompt: fill(form, { s: name }), response: refuse(name, "named") };
}
