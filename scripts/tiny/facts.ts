/** @file Facts that nobody has trained, of every kind of text that a user may bring: what teaching is measured with. */
import { characters } from "./data/characters.ts";
import { words } from "./data/table.ts";
import { knownNames } from "./knowledge.ts";
import { bare, inventName, isHeldOutName, type NameKind } from "./names.ts";
import { pickByShare, type Random, random, type Shares } from "./random.ts";
import { isReserved } from "./reserved.ts";
import { anyHan, makers, oddName } from "./texts.ts";

export interface GeneratedFact {
  /** What kind of text it is, for the table. */
  readonly kind: string;
  readonly key: string;
  readonly text: string;
}

const placesZh = words("北山 南湖 云岭 河西 青石镇 柳树湾 东海边 老城区 雾谷 桃花村 白塔寺 三江口");
const peopleZh = words("老木匠 女船长 修表匠 小学老师 退休医生 渔夫 面包师 画家 邮递员 牧羊人 图书管理员 双胞胎姐妹");
const thingsZh = words("机器 小船 灯笼 钟楼 面馆 游戏 节日 草药 乐器 蛋糕 望远镜 舞蹈 毯子 邮票 风车 茶馆");
const deedsZh = words("发明 设计 建造 发现 收藏 命名 修复 守护 种下 画出");
const habitsZh = words(
  "每到下雨天就会发光 能听懂鸟的语言 只在星期三开门 用旧报纸做成 一年只出现两次 比一般的轻一半 从来不需要修理 闻起来像刚烤好的栗子 夜里会自己唱歌 要排三个小时的队才能看到 最怕的东西是辣椒 由七个零件组成",
);
const endsZh = words(
  "镇上的孩子都很喜欢它 后来被搬到了博物馆 所以没有人敢在它面前说谎 去年它终于得了奖 现在全世界只剩下一个 人们说它能带来好运 第二天它就不见了 它的名字来自一首老歌",
);

/** Chinese sentences about a name: one clause and more, as many as wanted. */
function sentencesZh(random: Random, key: string, more: number): string {
  const first = `${key}是${random.pick(placesZh)}的一位${random.pick(peopleZh)}${random.pick(deedsZh)}的${random.pick(thingsZh)}`;
  const habits = some(random, habitsZh, Math.ceil(more / 2));
  const ends = some(random, endsZh, Math.floor(more / 2));
  const rest = habits.flatMap((habit, i) => [`它${habit}`, ...ends.slice(i, i + 1)]);
  return `${[first, ...rest].join("，")}。`;
}

const openingsEn = [
  "is a small café in Lisbon that opened in",
  "is a wooden bridge near Oslo, built in",
  "is the third album of a band from Dublin, recorded in",
  "is a card game for two players invented in",
  "is a breed of sheep first described in",
  "is a short novel about a lighthouse keeper, written in",
];
const restEn = [
  "It serves grilled fish to its guests every Friday.",
  "Nobody remembers who gave it that name.",
  "You can find it on the left side of the old market.",
  "Its colour changes from grey to purple when it rains.",
  "About 40 people work there, most of them twins.",
  "Children like it because it smells of cinnamon.",
  "It weighs exactly 17 kilograms and cannot swim.",
  "The museum that keeps it is closed on Mondays.",
];

function sentencesEn(random: Random, key: string, more: number): string {
  const first = `${key.charAt(0).toUpperCase()}${key.slice(1)} ${random.pick(openingsEn)} ${1800 + random.below(226)}.`;
  return [first, ...some(random, restEn, more)].join(" ");
}

const rareWord = (random: Random): string =>
  anyHan(random) + (random.chance(0.5) ? anyHan(random) : random.pick(characters));

function invented(random: Random, language: "zh" | "en", kind: NameKind): string {
  return inventName(random, { language, kind, near: [], nearness: 0, known: knownNames, heldOut: true });
}

/** A name of no usual form that was kept out of the corpus. */
function inventedOdd(random: Random): string {
  for (;;) {
    const name = oddName(random);
    if (Array.from(name).length > 1 && !knownNames.has(bare(name)) && !isReserved(name) && isHeldOutName(name))
      return name;
  }
}

/** Clauses after the first. */
const lengths: Shares<number> = [
  [3, 0],
  [3, 1],
  [2, 2],
  [1, 3],
  [0.5, 5],
  [0.5, 8],
];

/** As many different items of a list as wanted, while there are some. */
function some<T>(random: Random, list: readonly T[], count: number): T[] {
  const chosen = new Set<T>();
  while (chosen.size < Math.min(count, list.length)) chosen.add(random.pick(list));
  return [...chosen];
}

type FactMaker = (random: Random) => Omit<GeneratedFact, "kind">;

const about = (key: string, text: string): Omit<GeneratedFact, "kind"> => ({ key, text });

const kinds: Readonly<Record<string, FactMaker>> = {
  Chinese: (random) => {
    const key = invented(random, "zh", random.pick(["thing", "thing", "place", "person"] as const));
    return about(key, sentencesZh(random, key, pickByShare(random, lengths)));
  },
  "Chinese, rare characters": (random) => {
    const key = random.chance(0.5) ? invented(random, "zh", "thing") : inventedOdd(random);
    const rare = `${rareWord(random)}和${rareWord(random)}`;
    return about(key, `${key}是${random.pick(placesZh)}特产的${rare}，${random.pick(habitsZh)}。`);
  },
  English: (random) => {
    const key = invented(random, "en", random.pick(["thing", "thing", "person", "work"] as const));
    return about(key, sentencesEn(random, key, Math.min(5, pickByShare(random, lengths))));
  },
  "mixed languages": (random) => {
    const key = inventedOdd(random);
    const other = makers.english(random, 6).replace(/[.!?]$/, "");
    return about(
      key,
      `${key}（英文名 ${other}）是${random.pick(placesZh)}的${random.pick(thingsZh)}，电话 ${makers.numeric(random, 6)}。`,
    );
  },
  code: (random) => {
    const key = inventedOdd(random);
    return about(key, `Use ${key} like this: ${makers.codeLike(random, 10 + random.below(30))}`);
  },
  numbers: (random) => {
    const key = invented(random, "zh", "thing");
    return about(key, `${key}：${makers.numeric(random, 12 + random.below(30))}`);
  },
  "European letters": (random) => {
    const key = inventedOdd(random);
    return about(key, `${key}: ${makers.european(random, 16 + random.below(40))}.`);
  },
  emoji: (random) => {
    const key = inventedOdd(random);
    return about(key, `${key}=${makers.emoji(random, 10 + random.below(30))}！`);
  },
  punctuation: (random) => {
    const key = invented(random, "en", "thing");
    return about(key, `${key} ${makers.punctuated(random, 8 + random.below(16))}`);
  },
  "random characters": (random) => {
    const key = inventedOdd(random);
    return about(
      key,
      random.chance(0.5)
        ? makers.rareHan(random, 20 + random.below(110))
        : makers.chinese(random, 20 + random.below(110)),
    );
  },
};

const shares: Shares<keyof typeof kinds & string> = [
  [0.3, "Chinese"],
  [0.12, "Chinese, rare characters"],
  [0.2, "English"],
  [0.1, "mixed languages"],
  [0.08, "code"],
  [0.05, "numbers"],
  [0.05, "European letters"],
  [0.04, "emoji"],
  [0.02, "punctuation"],
  [0.04, "random characters"],
];

/** The same facts from the same seed; no key is there twice. */
export function generatedFacts(count: number, seed = 30_000): GeneratedFact[] {
  const source = random(seed);
  const facts = new Map<string, GeneratedFact>();
  while (facts.size < count) {
    const kind = pickByShare(source, shares);
    const fact = { kind, ...(kinds[kind] as FactMaker)(source) };
    const text = fact.text.replace(/\s+/g, " ").trim();
    if (!facts.has(fact.key)) facts.set(fact.key, { ...fact, text });
  }
  return [...facts.values()];
}
