/** @file The harmless variations of a question: a polite opening, a missing question mark, a small first letter. */
import type { Random } from "./random.ts";

/** A question as someone might type it; names inside it are left alone. */
export function vary(random: Random, question: string, language: "zh" | "en"): string {
  let text = question;
  if (language === "zh") {
    if (/[？]$/.test(text) && random.chance(0.06)) text = `${random.pick(["请问", "请问，", "你好，"])}${text}`;
    if (random.chance(0.15)) text = text.replace(/[？。]$/, "");
    else if (random.chance(0.06)) text = text.replace(/？$/, "?");
    return text;
  }
  if (random.chance(0.15)) text = text.replace(/[?.]$/, "");
  if (random.chance(0.08))
    text = text.replace(/^(What|Who|Which|Tell|Do|Can|How|Have|Please)\b/, (word) => word.toLowerCase());
  return text;
}
