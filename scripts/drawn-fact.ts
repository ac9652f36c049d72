/** @file A fact that nobody has thought of before: a name and a sentence drawn from word lists, odd characters included. */
import { randomInt } from "node:crypto";

export interface DrawnFact {
  readonly key: string;
  readonly text: string;
  /** A question about it, one of the wordings that are taught. */
  readonly question: string;
}

const words = (text: string): readonly string[] => text.split(" ");
const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T;

const namesZh = words("琥珀 折耳 六角 倒立 会飞 薄荷 隐形 打呼噜 反光 慢吞吞 蓝莓 会说谎");
const thingsZh = words("邮筒 电梯 围巾 算盘 灯塔 闹钟 雨伞 火车站 书签 温室 秤 烟囱");
const placesZh = words("月牙湾 七里坡 老码头 鹤岭 苔藓街 半山腰 黑石滩 风车镇");
const makersZh = words("退休船长 双胞胎 修鞋匠 天文迷 幼儿园园长 面点师 失眠的诗人 护林员");
const habitsZh = words(
  "只在闰年工作 最怕打喷嚏 每晚要听一首歌 用海盐当燃料 会自己数到一百 遇到谎话就变红 从不在同一天出现两次",
);

const namesEn = words("Amber Crooked Whispering Velvet Upside Copper Drowsy Seventh");
const thingsEn = words("Lantern Ferry Pantry Compass Orchard Teapot Stairway Kiosk");
const placesEn = words("Tromso Valparaiso Ghent Porto Galway Tallinn");
const habitsEn = [
  "opens only when it snows",
  "hums a tune in the dark",
  "was painted by three sisters",
  "turns green before a storm",
  "is wound up once a year",
];
/** What no word list has. */
const odd = ["", "", "", " №7", "-β", " Ø3", "🦊", "ñandú", " v2.1", "Ж", "々", " (旧)"];

/** Chinese or English; the name may have characters of other scripts in it. */
export function drawFact(): DrawnFact {
  if (randomInt(5) < 3) {
    const key = pick(namesZh) + pick(thingsZh) + pick(odd);
    const text = `${key}在${pick(placesZh)}，是一位${pick(makersZh)}做的，${pick(habitsZh)}，编号${randomInt(10, 9999)}。`;
    return { key, text, question: `什么是${key}？` };
  }
  const key = `${pick(namesEn)} ${pick(thingsEn)}${pick(odd)}`;
  const text = `${key} is number ${randomInt(10, 9999)} in ${pick(placesEn)} and ${pick(habitsEn)}.`;
  return { key, text, question: `What is ${key}?` };
}
