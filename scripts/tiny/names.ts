/** @file Invents names that the model was not taught: compounds, people, places, works, English names and near misses. */
import { characters } from "./data/characters.ts";
import { words } from "./data/table.ts";
import type { Random } from "./random.ts";
import { isReserved } from "./reserved.ts";

const modifiers = words(`
天 云 月 星 风 雨 雪 雷 火 冰 水 山 海 江 湖 石 金 银 铜 铁 玉 木 竹 花 草 叶 果 米 豆 茶 红 黄 蓝 绿 白 黑 紫 青 灰 彩
大 小 长 短 高 低 快 慢 冷 热 甜 苦 酸 辣 香 软 硬 轻 重 新 老 旧 古 夜 晨 春 夏 秋 冬 东 南 西 北 中 上 下 左 右 飞 跳
跑 唱 笑 哭 睡 梦 醒 爱 情 心 思 想 念 光 影 声 电 气 磁 力 速 空 时 幻 神 仙 龙 凤 虎 狮 马 鹿 鹤 鱼 鸟 虫 蜂 蝶 猫 狗
沙漠 海底 太空 月光 星空 云中 山顶 林间 雪地 彩色 透明 黄金 会飞 隐形 自动 量子 古代 未来 深海 午夜 清晨 童年 秘密 神奇
`);

const heads = words(`
炉 机 器 车 船 灯 刀 剑 枪 锅 壶 杯 碗 盘 箱 柜 桌 椅 床 门 窗 伞 帽 鞋 袜 衣 裙 书 笔 纸 画 琴 鼓 笛 铃 钟 镜 盒 瓶 球 棋 牌
饼 糕 汤 粥 面 饭 糖 茶 酒 酱 菜 果 瓜 豆 花 草 树 藤 菇 虫 鸟 鱼 兽 龙 马 狗 猫 熊 鼠 蛇 龟 蛙 人 神 仙 王 侠 客 师 匠 兵 族
山 河 湖 海 岛 城 村 镇 国 谷 洞 桥 塔 楼 宫 寺 园 街 路 站 石 玉 沙 油 粉 丸 药 病 术 法 学 派 节 舞 歌 戏 经 诗 典 症 素 星
机器 引擎 火炉 火锅 面包 饼干 果汁 奶茶 飞船 列车 相机 手表 电池 公园 学校 餐厅 大师 骑士 蜗牛 蘑菇 水晶 情人 情书 定律 协议 算法
`);

const surnames = words(
  "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧 程 曹 袁 邓 许 傅 沈 曾 彭 吕",
);
const onsets = words(
  "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl sm sn st t th tr v w x y z",
);
const vowels = words("a a e e i i o o u ai ea ee oo ou y");
const codas = ["", "", "", "n", "r", "l", "s", "t", "k", "m", "x", "nd", "rk", "lt", "sh", "p", "b", "g"];
const englishModifiers = words(`
moon star sun cloud wind snow fire ice water stone gold silver iron wood night dream silent tiny giant magic flying
hidden purple green crystal paper desert ocean forest sky sugar honey pepper thunder shadow copper lunar quantum velvet
`);
const englishHeads = words(`
stove engine lamp clock boat train bridge tower garden bird fox cat whale bear snail flower tree fruit cake soup tea
bread sword mirror box ring drum piano book song dance law theory club school city island river machine robot phone
`);

/** What kind of name a question asks about. */
export type NameKind = "thing" | "person" | "place" | "work" | "word";

function repeat(random: Random, least: number, most: number, part: () => string): string {
  let text = "";
  for (let count = least + random.below(most - least + 1); count > 0; count--) text += part();
  return text;
}

/** A Chinese name of 2 to 6 characters. */
function compound(random: Random): string {
  const character = (): string => random.pick(characters);
  const kind = random.below(10);
  if (kind < 4) return repeat(random, 2, 4, character);
  if (kind < 5) return repeat(random, 1, 3, character) + random.pick(heads);
  if (kind < 7) return random.pick(modifiers) + random.pick(modifiers) + random.pick(heads);
  if (kind < 9) return random.pick(modifiers) + random.pick(heads);
  return random.pick(modifiers) + character() + random.pick(modifiers) + random.pick(heads);
}

function syllables(random: Random, least: number, most: number): string {
  const word = repeat(random, least, most, () => random.pick(onsets) + random.pick(vowels)) + random.pick(codas);
  return word;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** An invented Latin name, also used inside Chinese questions. */
function latin(random: Random): string {
  const word = capital(syllables(random, 1, 3));
  if (random.chance(0.1)) return `${word} ${1 + random.below(99)}`;
  if (random.chance(0.1)) return `${word}-${capital(random.pick(onsets))}${random.below(10)}`;
  return word;
}

function inventZh(random: Random, kind: NameKind): string {
  const character = (): string => random.pick(characters);
  if (kind === "person") {
    if (random.chance(0.25)) return repeat(random, 2, 4, character);
    return random.pick(surnames) + repeat(random, 1, 2, character);
  }
  if (kind === "place") {
    return (
      repeat(random, 1, 3, character) +
      random.pick(["国", "国", "国", "兰", "亚", "尼亚", "斯坦", "岛", "王国", "城", "州", ""])
    );
  }
  if (kind === "word") return repeat(random, 2, 3, character);
  if (kind === "thing" && random.chance(0.08)) return latin(random);
  return compound(random);
}

function inventEn(random: Random, kind: NameKind): string {
  const one = (): string => capital(syllables(random, 1, 3));
  if (kind === "person") return random.chance(0.5) ? `${one()} ${one()}` : one();
  if (kind === "place") return capital(syllables(random, 1, 2)) + random.pick(["", "", "land", "ia", "stan", "via"]);
  if (kind === "work")
    return `The ${capital(random.pick(englishModifiers))} ${random.chance(0.5) ? one() : capital(random.pick(englishHeads))}`;
  if (kind === "word") return syllables(random, 2, 3);
  const form = random.below(6);
  if (form === 0) return `a ${random.pick(englishModifiers)} ${random.pick(englishHeads)}`;
  if (form === 1) return `the ${capital(random.pick(englishModifiers))} ${capital(random.pick(englishHeads))}`;
  if (form === 2) return `a ${syllables(random, 2, 3)}`;
  if (form === 3) return `the ${one()} ${capital(random.pick(englishHeads))}`;
  return random.chance(0.5) ? one() : syllables(random, 2, 3);
}

/** A known Chinese name with one or two characters changed, added, dropped or swapped. */
function missZh(random: Random, name: string): string {
  const letters = Array.from(name);
  const at = random.below(letters.length);
  const other = random.chance(0.5) ? random.pick(characters) : random.pick(random.chance(0.5) ? modifiers : heads);
  switch (random.below(6)) {
    case 0:
      return other + name;
    case 1:
      return name + other;
    case 2:
      if (letters.length > 2) letters.splice(at, 1);
      else letters[at] = other;
      break;
    case 3:
      letters.splice(at, 0, other);
      break;
    default:
      letters[at] = other;
  }
  return letters.join("");
}

/** A known English name with another word or another syllable in it. */
function missEn(random: Random, name: string): string {
  const parts = name.split(" ");
  const last = parts.length - 1;
  const word = parts[last] ?? name;
  const first = word.charAt(0) === word.charAt(0).toUpperCase();
  switch (random.below(4)) {
    case 0:
      parts[last] = `${random.pick(englishModifiers)} ${word}`;
      if (parts[0] === "an") parts[0] = "a";
      break;
    case 1:
      parts[last] = `${word} ${random.pick(englishHeads)}`;
      break;
    case 2:
      parts[last] = word + random.pick(["ora", "in", "ex", "o", "ila", "um"]);
      break;
    default: {
      const invented = random.pick(onsets) + random.pick(vowels) + word.slice(2);
      parts[last] = first ? capital(invented) : invented;
    }
  }
  return parts.join(" ");
}

/** A name in a form in which two spellings of it are equal: no article, lower case. */
export function bare(name: string): string {
  return name.replace(/^(an?|the) /i, "").toLowerCase();
}

/** One name of fifty is never trained, so that copying can be measured on unseen names. */
export function isHeldOutName(name: string): boolean {
  let sum = 7;
  for (const letter of bare(name)) sum = (Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return sum % 50 === 0;
}

/** Whether a name must stay out of the corpus: reserved, or kept back to measure with. */
export function isUntrainable(name: string): boolean {
  return isReserved(name) || isHeldOutName(name);
}

export interface NameSource {
  readonly language: "zh" | "en";
  readonly kind: NameKind;
  /** Known names of this kind and language to come near to. */
  readonly near: readonly string[];
  /** How often the name is a near miss of a known one. */
  readonly nearness: number;
  /** Bare names that mean something to the model. */
  readonly known: ReadonlySet<string>;
  /** Ask for names that are never trained. */
  readonly heldOut: boolean;
}

/** An invented name that is neither known nor reserved. */
export function inventName(random: Random, source: NameSource): string {
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const miss = source.near.length > 0 && random.chance(source.nearness);
    const name =
      source.language === "zh"
        ? miss
          ? missZh(random, random.pick(source.near))
          : inventZh(random, source.kind)
        : miss
          ? missEn(random, random.pick(source.near))
          : inventEn(random, source.kind);
    if (source.language === "zh" && Array.from(name).length < 2) continue;
    if (source.known.has(bare(name)) || isReserved(name) || isHeldOutName(name) !== source.heldOut) continue;
    return name;
  }
  throw new Error(`No unknown ${source.language} name of kind ${source.kind} was found in 100000 attempts.`);
}
