/**
 * @file Texts of every kind that a user may bring, in no order that could be guessed: whoever repeats them has said every
 * piece of the vocabulary and every byte of UTF-8 often, so that any text can later be taught.
 */
import { characters } from "./data/characters.ts";
import { englishWords } from "./data/english.ts";
import { wordPairs } from "./data/words.ts";
import { pickByShare, type Random, type Shares } from "./random.ts";

/** Makes a text of about `length` pieces. */
export type TextMaker = (random: Random, length: number) => string;

const from = (text: string): readonly string[] => Array.from(text);
const digits = from("0123456789");
const letters = from("abcdefghijklmnopqrstuvwxyz");
const capitals = from("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
const punctuationAscii = from("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
const punctuationZh = from("，。？！：；、（）《》“”‘’…—·～×÷【】");
const particles = from("的了是在和有不也都就很把被给对从到与或而但这那一个我你他它们");
/** First and last code point of letters beside ASCII: Latin, Greek and Cyrillic. */
const europeanRanges: readonly (readonly [number, number])[] = [
  [0xc0, 0xff],
  [0xc0, 0xff],
  [0x100, 0x17f],
  [0x391, 0x3c9],
  [0x410, 0x44f],
];
const emojiRanges: readonly (readonly [number, number])[] = [
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x2600, 0x27bf],
];
/** What may follow an emoji: nothing, the sign that asks for its coloured form, the joiner to another one. */
const emojiEnds = ["", "", "", "", "\ufe0f", "\ufe0f", "\u200d"];
const cjk: readonly [number, number] = [0x4e00, 0x9fff];

const many = (count: number, make: () => string): string[] =>
  Array.from({ length: Math.max(1, Math.round(count)) }, make);

/** A character that Unicode has assigned, drawn from a range. */
function characterIn(random: Random, [first, last]: readonly [number, number]): string {
  for (;;) {
    const character = String.fromCodePoint(first + random.below(last - first + 1));
    if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character)) return character;
  }
}

/** Any Chinese character, most of them not in the vocabulary: three bytes each. */
export const anyHan = (random: Random): string => characterIn(random, cjk);

const digitsOf = (random: Random, most: number): string =>
  many(1 + random.below(most), () => random.pick(digits)).join("");

/** Letters in no order that a language knows. */
const scrambled = (random: Random, most: number): string =>
  many(1 + random.below(most), () => random.pick(letters)).join("");

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

function englishWord(random: Random): string {
  const word = random.chance(0.85) ? random.pick(englishWords) : scrambled(random, 9);
  return random.chance(0.08) ? capital(word) : word;
}

const english: TextMaker = (random, length) => {
  const said = many(length / 1.6, () => (random.chance(0.06) ? digitsOf(random, 4) : englishWord(random)));
  const spaced = said.map((word, i) => (i < said.length - 1 && random.chance(0.08) ? `${word},` : word)).join(" ");
  return random.chance(0.6) ? `${capital(spaced)}${random.pick([".", ".", ".", "!", "?"])}` : spaced;
};

const wordsZh: readonly string[] = wordPairs.map(([zh]) => zh);

const chinese: TextMaker = (random, length) => {
  const loose = random.chance(0.5);
  const part = (): string => {
    if (loose || random.chance(0.35)) return random.pick(characters);
    return random.chance(0.4) ? random.pick(particles) : random.pick(wordsZh);
  };
  const said = many(loose ? length : length / 1.4, part);
  const text = said.map((word, i) => (i < said.length - 1 && random.chance(0.08) ? `${word}，` : word)).join("");
  return random.chance(0.6) ? `${text}${random.pick(["。", "。", "。", "！", "？"])}` : text;
};

const rareHan: TextMaker = (random, length) =>
  many(length / 2.2, () => (random.chance(0.6) ? anyHan(random) : random.pick(characters))).join("");

const numbers: Shares<(random: Random) => string> = [
  [2, (random) => digitsOf(random, 8)],
  [1, (random) => `${digitsOf(random, 3)}.${digitsOf(random, 3)}`],
  [1, (random) => `${digitsOf(random, 2)}%`],
  [1, (random) => `${1000 + random.below(1500)}年${1 + random.below(12)}月${1 + random.below(31)}日`],
  [1, (random) => `${1000 + random.below(1500)}-${10 + random.below(3)}-${10 + random.below(20)}`],
  [1, (random) => `${random.below(24)}:${10 + random.below(50)}`],
  [1, (random) => `${random.pick(from("$€£¥"))}${digitsOf(random, 5)}`],
  [1, (random) => `+${digitsOf(random, 2)} ${digitsOf(random, 4)} ${digitsOf(random, 4)}`],
  [1, (random) => `v${random.below(20)}.${random.below(20)}.${random.below(20)}`],
  [1, (random) => `${digitsOf(random, 3)}${random.pick(["km", "kg", "cm", "°C", "公里", "元", "米", "人", " GB"])}`],
];

const numeric: TextMaker = (random, length) =>
  many(length / 6, () => pickByShare(random, numbers)(random)).join(random.pick([" ", "，", ", ", "; "]));

const punctuated: TextMaker = (random, length) =>
  many(length / 1.5, () => random.pick(random.chance(0.6) ? punctuationAscii : punctuationZh)).join("");

function identifier(random: Random): string {
  const parts = many(1 + random.below(3), () =>
    random.chance(0.6) ? random.pick(englishWords) : scrambled(random, 6),
  );
  const lower = parts.map((part) => part.toLowerCase());
  if (random.chance(0.4)) return lower.join(random.pick(["_", "-", "."]));
  if (random.chance(0.2)) return lower.join("_").toUpperCase();
  return lower.map((part, i) => (i > 0 || random.chance(0.3) ? capital(part) : part)).join("");
}

const codes: Shares<(random: Random) => string> = [
  [2, (random) => `${identifier(random)}(${identifier(random)}=${digitsOf(random, 3)})`],
  [2, (random) => `${identifier(random)} = ${identifier(random)}[${random.below(10)}];`],
  [1, (random) => `https://${identifier(random)}.${random.pick(["com", "org", "cn", "io"])}/${scrambled(random, 8)}`],
  [1, (random) => `${scrambled(random, 7)}@${scrambled(random, 7)}.${random.pick(["com", "net", "cn"])}`],
  [
    1,
    (random) => `{"${identifier(random)}": "${identifier(random)}", "${scrambled(random, 4)}": ${digitsOf(random, 3)}}`,
  ],
  [1, (random) => `npm install ${identifier(random)}@${random.below(9)}.${random.below(20)}.${random.below(9)}`],
  [1, (random) => `<${scrambled(random, 5)} ${scrambled(random, 5)}="${digitsOf(random, 3)}">`],
  [1, (random) => `if (${identifier(random)} !== ${digitsOf(random, 2)}) { return ${identifier(random)}; }`],
  [1, (random) => `/${identifier(random)}/${identifier(random)}.${random.pick(["ts", "py", "md", "json"])}`],
  [1, (random) => many(1 + random.below(12), () => random.pick([...digits, ...from("abcdef")])).join("")],
  [1, (random) => many(2 + random.below(3), () => random.pick(capitals)).join("") + digitsOf(random, 4)],
];

const codeLike: TextMaker = (random, length) => many(length / 14, () => pickByShare(random, codes)(random)).join(" ");

const european: TextMaker = (random, length) => {
  const range = random.pick(europeanRanges);
  const own = range[0] >= 0x391;
  const letter = (): string =>
    own || random.chance(0.35) ? characterIn(random, range) : random.pick(random.chance(0.1) ? capitals : letters);
  return many(length / 7, () => many(2 + random.below(7), letter).join("")).join(" ");
};

const emoji: TextMaker = (random, length) =>
  many(length / 5, () => {
    const sign = characterIn(random, random.pick(emojiRanges)) + random.pick(emojiEnds);
    return random.chance(0.3) ? sign + random.pick(characters) : sign;
  }).join("");

const scriptRanges: readonly (readonly [number, number])[] = [
  [0xa1, 0x7ff],
  [0xa1, 0x7ff],
  [0x800, 0xffef],
  [0x3041, 0x30ff],
  [0xac00, 0xd7a3],
  [0xff01, 0xff5e],
  [0x10000, 0x2ffff],
];

/** Any character of any script. */
const anything: TextMaker = (random, length) =>
  many(length / 3, () => characterIn(random, random.pick(scriptRanges))).join("");

type Kind = "chinese" | "english" | "rareHan" | "numeric" | "punctuated" | "codeLike" | "european" | "emoji";

/** Makers by kind of text, each as a text of its own. */
export const makers: Readonly<Record<Kind, TextMaker>> = {
  chinese,
  english,
  rareHan,
  numeric,
  punctuated,
  codeLike,
  european,
  emoji,
};

const short: Shares<TextMaker> = [
  [3, chinese],
  [2, english],
  [1, rareHan],
  [1, numeric],
  [0.7, punctuated],
  [1, codeLike],
  [0.7, european],
  [0.7, emoji],
  [0.7, anything],
];

const joints = ["", "", "", "", " ", " ", " ", "，", "\n", "\t"];

const mixed: TextMaker = (random, length) => {
  const parts = many(2 + random.below(3), () => pickByShare(random, short)(random, length / 3));
  return parts.join(random.pick(joints));
};

/** Pieces of the vocabulary in any order; `▁` is how a piece writes a blank. */
const ofPieces = (pieces: readonly string[]): TextMaker => {
  const sayable = pieces.map((piece) => piece.replaceAll("▁", " "));
  return (random, length) => many(length, () => random.pick(sayable)).join("");
};

const lengths: Shares<readonly [number, number]> = [
  [0.36, [2, 8]],
  [0.36, [8, 20]],
  [0.2, [20, 40]],
  [0.06, [40, 80]],
  [0.02, [80, 150]],
];

/** Texts of more pieces than about this are drawn again, so that question and answer fit the context. */
const heaviest = 170;
const common: ReadonlySet<string> = new Set([...characters, ...punctuationZh]);

/** About how many pieces a text has: a letter is part of a word's, a character outside the vocabulary has one for each byte. */
function weight(text: string): number {
  let sum = 0;
  for (const character of text) {
    if (character < "\u0080") sum += 0.75;
    else sum += common.has(character) ? 1 : Buffer.byteLength(character);
  }
  return sum;
}

/**
 * Texts of every kind.
 * @param pieces of the vocabulary, those of bytes and the special ones left out; none while the vocabulary itself is
 *   made: then only words are said, so that noise does not become pieces
 */
export function texts(pieces: readonly string[]): (random: Random) => string {
  const kinds: Shares<TextMaker> =
    pieces.length === 0
      ? [[1, english]]
      : [...short.map(([share, kind]) => [share, kind] as const), [2, mixed], [4, ofPieces(pieces)]];
  return (random) => {
    for (;;) {
      const [least, most] = pickByShare(random, lengths);
      const text = pickByShare(random, kinds)(random, least + random.below(most - least + 1))
        .replace(/ +/g, " ")
        .trim();
      if (text !== "" && weight(text) <= heaviest) return text;
    }
  };
}

const oddities: Shares<TextMaker> = [
  [3, rareHan],
  [
    2,
    (random) =>
      chinese(random, 3).replace(/[，。！？]/g, "") +
      capital(scrambled(random, 6)) +
      (random.chance(0.4) ? digitsOf(random, 2) : ""),
  ],
  [2, (random) => identifier(random)],
  [1.5, (random) => many(2 + random.below(2), () => capital(englishWord(random))).join(" ")],
  [1.5, european],
  [1, (random) => emoji(random, 5) + many(2, () => random.pick(characters)).join("")],
  [1, (random) => many(2, () => random.pick(capitals)).join("") + random.pick(["-", " ", ""]) + digitsOf(random, 4)],
  [0.7, (random) => `${digitsOf(random, 4)}${random.pick(characters)}${random.pick(characters)}`],
];

/** A name that no list of syllables would give: rare characters, letters and digits, emoji, code. */
export function oddName(random: Random): string {
  return pickByShare(random, oddities)(random, 3 + random.below(7)).trim();
}

const repeatForms: readonly string[] = [
  "请重复：{s}",
  "请重复一遍：{s}",
  "跟我说：{s}",
  "请原样输出：{s}",
  "照着说：{s}",
  "复述：{s}",
  "Repeat after me: {s}",
  "Please repeat: {s}",
  "Say this: {s}",
  "Copy this: {s}",
  "Repeat this: {s}",
];

/** How one is asked to say a text again. */
export function askToRepeat(random: Random, text: string): string {
  return random.pick(repeatForms).replace("{s}", () => text);
}
