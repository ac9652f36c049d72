/** @file Small talk, and conversations of two or three rounds: unrelated ones, and ones whose answer lies in an earlier round. */

import { arithmeticRow } from "./arithmetic.ts";
import { exchanges } from "./data/smalltalk.ts";
import { definitionRow, knownNames, questionRow, refusalRow, relationFollowUp, relationRow } from "./knowledge.ts";
import { inventName } from "./names.ts";
import { pickByShare, type Random, type Shares } from "./random.ts";
import type { Row, RowMaker, Split } from "./row.ts";
import { wordTranslationRow } from "./translation.ts";

/** Answers longer than this do not go into the history, so that conversations stay short. */
const longestRemembered = 40;

const givenNames: readonly string[] = (
  "小明 小红 小刚 小丽 小华 小芳 王伟 李娜 张强 刘洋 陈静 杨帆 赵磊 黄敏 周涛 吴倩 " +
  "Tom Mary John Anna Peter Lucy David Emma Jack Lily Bob Alice"
).split(" ");

/** One exchange of small talk. */
export function smallTalkRow(random: Random): Row {
  const { answer, says } = random.pick(exchanges);
  return { prompt: random.pick(says), response: answer };
}

function userName(random: Random, split: Split): string {
  if (random.chance(0.4)) return random.pick(givenNames);
  const language = random.chance(0.7) ? "zh" : "en";
  return inventName(random, {
    language,
    kind: "person",
    near: [],
    nearness: 0,
    known: knownNames,
    heldOut: split === "held-out",
  });
}

/** Someone gives a name. */
export function introductionRow(random: Random, split: Split): Row {
  const name = userName(random, split);
  return /^[A-Za-z]/.test(name)
    ? { prompt: `${random.pick(["My name is", "I am"])} ${name}.`, response: `Hello, ${name}! Nice to meet you.` }
    : { prompt: `${random.pick(["我叫", "我的名字叫", "我是"])}${name}。`, response: `你好，${name}！很高兴认识你。` };
}

function round({ prompt, response }: Row): [string, string] {
  return [prompt, response];
}

const unrelatedKinds: Shares<RowMaker> = [
  [0.4, smallTalkRow],
  [0.15, definitionRow],
  [0.1, relationRow],
  [0.05, questionRow],
  [0.15, refusalRow],
  [0.08, arithmeticRow],
  [0.07, wordTranslationRow],
];

/** A short round about anything. */
function unrelated(random: Random): [string, string] {
  for (;;) {
    const row = pickByShare(random, unrelatedKinds)(random, "train");
    if (Array.from(row.response).length <= longestRemembered || /^[A-Z]/.test(row.response)) return round(row);
  }
}

/** The user's name is asked for after it was given, perhaps with another round in between. */
function rememberName(random: Random, split: Split): Row {
  const introduction = introductionRow(random, split);
  const english = /^[A-Z]/.test(introduction.response);
  const name = introduction.response.replace(/^(Hello, |你好，)|(！很高兴认识你。|! Nice to meet you\.)$/g, "");
  const history = [round(introduction)];
  if (random.chance(0.4)) history.push(unrelated(random));
  return english
    ? { history, prompt: random.pick(["What is my name?", "Who am I?"]), response: `Your name is ${name}.` }
    : {
        history,
        prompt: random.pick(["我叫什么？", "我叫什么名字？", "我是谁？", "你记得我的名字吗？"]),
        response: `你叫${name}。`,
      };
}

/** The last answer is asked for again. */
function sayAgain(random: Random): Row {
  const last = unrelated(random);
  const english = /[A-Za-z]{3}/.test(last[0]);
  const prompt = english
    ? random.pick(["Say that again.", "Please repeat that."])
    : random.pick(["再说一遍", "请再说一遍。"]);
  return { history: [last], prompt, response: last[1] };
}

/** Any question after one or two rounds that have nothing to do with it. */
function afterOthers(last: RowMaker): RowMaker {
  return (random, split) => {
    const row = last(random, split);
    const history = [unrelated(random)];
    if (row.response.length <= longestRemembered && random.chance(0.4)) history.push(unrelated(random));
    return { prompt: row.prompt, response: row.response, history };
  };
}

const conversations: Shares<RowMaker> = [
  [0.2, rememberName],
  [0.06, sayAgain],
  [0.1, relationFollowUp],
  [0.14, afterOthers(smallTalkRow)],
  [0.16, afterOthers(definitionRow)],
  [0.08, afterOthers(relationRow)],
  [0.18, afterOthers(refusalRow)],
  [0.08, afterOthers(arithmeticRow)],
];

/** A conversation of two or three rounds. */
export function conversationRow(random: Random, split: Split): Row {
  return pickByShare(random, conversations)(random, split);
}
