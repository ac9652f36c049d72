/** @file Skills on a given sentence: ask one question about it, take its triple out, repeat it. */
import { relations } from "./data/relations.ts";
import { words } from "./data/table.ts";
import { knownNames, unknownOddName } from "./knowledge.ts";
import { inventName, type NameKind } from "./names.ts";
import type { Random } from "./random.ts";
import type { Row, Split } from "./row.ts";
import { fill } from "./templates.ts";

type Language = "zh" | "en";
type Words = Record<Language, readonly string[]>;

const who: Words = {
  zh: words("小明 小红 小刚 小丽 王老师 李医生 爸爸 妈妈 爷爷 奶奶 哥哥 姐姐 弟弟 妹妹 张先生 刘阿姨 小猫 小狗"),
  en: words("Tom Mary John Anna Peter Lucy David Emma Jack Lily Xiaoming"),
};
const thing: Words = {
  zh: words(
    "苹果 香蕉 西瓜 面条 饺子 牛奶 咖啡 音乐 足球 篮球 电影 书 画 花 自行车 手机 电脑 帽子 雨伞 钢琴 玩具 地图",
  ),
  en: words("apples bananas tea coffee music football books films flowers bread cheese fish noodles maps hats toys"),
};
const place: Words = {
  zh: words("公园 学校 图书馆 医院 北京 上海 杭州 海边 山上 家里 超市 车站 教室 厨房 操场 河边"),
  en: words("Beijing Paris London Shanghai Rome Berlin Tokyo Hangzhou Madrid Oslo"),
};
const deed = words("看书 跑步 睡觉 唱歌 跳舞 游泳 做饭 写字 画画 工作 散步 钓鱼 下棋 打球 喝茶 拍照");
const moment = words("今天 昨天 明天 早上 晚上 下午 周末 上个月");

interface Shape {
  readonly language: Language;
  readonly sentence: string;
  readonly question: string;
  readonly triple: string;
}

/** Slots: {w} who, {t} thing, {p} place, {d} deed, {m} moment. */
const shapes: readonly Shape[] = [
  { language: "zh", sentence: "{w}喜欢{t}。", question: "{w}喜欢什么？", triple: "({w}, 喜欢, {t})" },
  { language: "zh", sentence: "{w}买了{t}。", question: "{w}买了什么？", triple: "({w}, 买, {t})" },
  { language: "zh", sentence: "{w}{m}买了{t}。", question: "{w}{m}买了什么？", triple: "({w}, 买, {t})" },
  { language: "zh", sentence: "{w}在{p}{d}。", question: "{w}在哪里{d}？", triple: "({w}, 在{p}, {d})" },
  { language: "zh", sentence: "{w}{m}去{p}。", question: "{w}{m}去哪里？", triple: "({w}, 去, {p})" },
  { language: "zh", sentence: "{w}住在{p}。", question: "{w}住在哪里？", triple: "({w}, 住在, {p})" },
  { language: "zh", sentence: "{w}发明了{t}。", question: "{w}发明了什么？", triple: "({w}, 发明, {t})" },
  { language: "zh", sentence: "{w}的名字叫{t}。", question: "{w}的名字叫什么？", triple: "({w}, 名字, {t})" },
  { language: "en", sentence: "{w} likes {t}.", question: "What does {w} like?", triple: "({w}, likes, {t})" },
  { language: "en", sentence: "{w} bought {t}.", question: "What did {w} buy?", triple: "({w}, bought, {t})" },
  { language: "en", sentence: "{w} lives in {p}.", question: "Where does {w} live?", triple: "({w}, lives in, {p})" },
  { language: "en", sentence: "{w} went to {p}.", question: "Where did {w} go?", triple: "({w}, went to, {p})" },
];

const askForms: Words = {
  zh: ["根据句子提一个问题：{s}", "请根据这句话提一个问题：{s}", "请对下面的句子提问：{s}"],
  en: ["Ask a question about this sentence: {s}", "Make a question from this sentence: {s}"],
};
const tripleForms: Words = {
  zh: ["从句子中抽取三元组：{s}", "请抽取三元组：{s}", "抽取下面句子的三元组：{s}"],
  en: ["Extract the triple from this sentence: {s}", "Extract a triple: {s}"],
};
const repeatForms: Words = {
  zh: ["请重复：{s}", "请重复一遍：{s}", "跟我说：{s}", "重复{s}"],
  en: ["Repeat after me: {s}", "Please repeat: {s}", "Say {s}"],
};

function invent(random: Random, split: Split, language: Language, kind: NameKind): string {
  if (split === "train" && random.chance(0.1)) return unknownOddName(random);
  return inventName(random, {
    language,
    kind,
    near: [],
    nearness: 0,
    known: knownNames,
    heldOut: split === "held-out",
  });
}

/** A sentence with its question and its triple; many of its words are invented so that copying is learnt. */
function fact(random: Random, split: Split): { shape: Shape; values: Record<string, string> } {
  if (random.chance(0.12)) return capitalFact(random);
  const shape = random.pick(shapes);
  const { language } = shape;
  const word = (list: readonly string[], kind: NameKind): string =>
    random.chance(split === "held-out" ? 0.6 : 0.4) ? invent(random, split, language, kind) : random.pick(list);
  const values = {
    w: word(who[language], "person"),
    t: word(thing[language], "thing"),
    p: word(place[language], "place"),
    d: random.pick(deed),
    m: random.pick(moment),
  };
  return { shape, values };
}

function capitalFact(random: Random): { shape: Shape; values: Record<string, string> } {
  const capitals = relations.find(({ name }) => name === "capital");
  const [country = "", city = ""] = random.pick(capitals?.rows ?? []);
  const shape: Shape = {
    language: "zh",
    sentence: "{c}是{s}的首都。",
    question: "{s}的首都是哪里？",
    triple: "({s}, 首都, {c})",
  };
  return { shape, values: { s: country, c: city } };
}

/** Ask for one question about a sentence. */
export function askRow(random: Random, split: Split): Row {
  const { shape, values } = fact(random, split);
  const sentence = fill(shape.sentence, values);
  return {
    prompt: fill(random.pick(askForms[shape.language]), { s: sentence }),
    response: fill(shape.question, values),
  };
}

/** Take (subject, relation, object) out of a sentence. */
export function tripleRow(random: Random, split: Split): Row {
  const { shape, values } = fact(random, split);
  const sentence = fill(shape.sentence, values);
  return {
    prompt: fill(random.pick(tripleForms[shape.language]), { s: sentence }),
    response: fill(shape.triple, values),
  };
}

/** Repeat an invented name. */
export function repeatRow(random: Random, split: Split): Row {
  const language = random.chance(0.7) ? "zh" : "en";
  const name = invent(random, split, language, random.pick(["thing", "person", "place"] as const));
  return { prompt: fill(random.pick(repeatForms[language]), { s: name }), response: name };
}
