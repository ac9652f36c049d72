/** @file Scores of answers: beside numbers of Python's libraries, and by their definitions. */
import { describe, expect, it } from "vitest";
import { labelOf, labelsOf } from "../../src/scores/accuracy.ts";
import { bleu4 } from "../../src/scores/bleu.ts";
import { exactMatch } from "../../src/scores/exact.ts";
import { perplexity } from "../../src/scores/perplexity.ts";
import { rouge } from "../../src/scores/rouge.ts";
import { fulfilled, questionRubric, rubric } from "../../src/scores/rubric.ts";
import { scores } from "../../src/scores/score.ts";
import { wordsOf } from "../../src/scores/segment.ts";
import { precisionRecall, together, tripleCounts } from "../../src/scores/triples.ts";

/** NLTK 3.10.4 with method3, jieba 0.42.1 and rouge-chinese 1.0.3 say so: BLEU-4, then ROUGE-1, -2 and -L. */
const PYTHON = [
  [
    "发动机水温高，风扇低速转动。",
    "发动机水温高，风扇始终是低速转动。",
    0.6980320829375147,
    [0.8888888839506174, 0.7499999950781251, 0.8888888839506174],
  ],
  [
    "GPT-4 能写 C++ 代码。",
    "GPT-4 和 ChatGLM 都能写 C++ 代码。",
    0.44535794295881814,
    [0.8421052582825486, 0.7058823480968859, 0.8421052582825486],
  ],
  [
    "他说：“走吧。”然后走了。",
    "他说：“走吧！”然后就走了。",
    0.5372018213284309,
    [0.9090909041322315, 0.6956521689224953, 0.879999995008],
  ],
  ["好", "不好", 0.13006502375572224, [0, 0, 0]],
  ["啊啊啊啊啊啊", "啊啊", 0.16233395773754944, [0, 0, 0]],
  ["今天天气好", "昨夜大雨", 0, [0, 0, 0]],
  [
    "The cat sat on the mat.",
    "The cat is on the mat.",
    0.7944837206494969,
    [0.8571428521428571, 0.6666666616666668, 0.8571428521428571],
  ],
] as const;

describe("BLEU and ROUGE", () => {
  it.each(PYTHON)("%j beside %j", (answer, reference, bleu, [one, two, long]) => {
    expect(bleu4(answer, reference)).toBeCloseTo(bleu, 9);
    const found = rouge(answer, reference);
    expect(found["rouge-1"]).toBeCloseTo(one, 9);
    expect(found["rouge-2"]).toBeCloseTo(two, 9);
    expect(found["rouge-l"]).toBeCloseTo(long, 9);
  });

  it("are 0 where one of the texts has nothing to count, and 1 for what is the same", () => {
    expect([bleu4("", "有"), bleu4("有", ""), bleu4("", "")]).toEqual([0, 0, 0]);
    for (const [a, b] of [
      ["", "有"],
      ["有", ""],
      [" \n", "有"],
    ] as const) {
      expect(rouge(a, b)).toEqual({ "rouge-1": 0, "rouge-2": 0, "rouge-l": 0 });
    }
    expect(bleu4("梦中情炉是炉子", "梦中情炉是炉子")).toBeCloseTo(1, 12);
    expect(rouge("梦中情炉是炉子", "梦中情炉是炉子")["rouge-l"]).toBeCloseTo(1, 7);
  });

  it("cut as jieba does, where the library would not", () => {
    expect(wordsOf("GPT-4比3+4=7贵12.5%")).toEqual(["GPT", "-", "4", "比", "3", "+", "4", "=", "7", "贵", "12.5%"]);
    expect(wordsOf("㐀𠮷\r\n C++的B超")).toEqual(["㐀", "𠮷", "\r\n", " ", "C++", "的", "B超"]);
    expect(wordsOf("")).toEqual([]);
  });
});

describe("exact match and accuracy", () => {
  it("are the text, and the label of the first line", () => {
    expect([exactMatch(" 是的。\n", "是的。"), exactMatch("是的", "是的。")]).toEqual([1, 0]);
    const labels = labelsOf(["相关", "不相关", " 相关 ", "Neutral", ""]);
    expect(labels).toEqual(["相关", "不相关", "Neutral"]);
    expect(labelOf("答案：不相关。\n相关", labels)).toBe("不相关");
    expect(labelOf("\n\n相关，因为它不相关", labels)).toBe("相关");
    expect(labelOf("I think ＮＥＵＴＲＡＬ.", labels)).toBe("Neutral");
    expect(labelOf("不知道\n相关", labels)).toBeUndefined();
  });
});

describe("triples", () => {
  const reference = "发动机_部件故障_水温高\n风扇_部件故障_低速转动";

  it("are lines of three parts, each counted once", () => {
    const answer = "发动机_部件故障_水温高\n发动机_部件故障_水温高\n风扇_故障\n高速档_部件故障_不工作\n";
    expect(tripleCounts(answer, reference)).toEqual({ same: 1, answered: 2, wanted: 2 });
    expect(precisionRecall({ same: 1, answered: 2, wanted: 4 })).toEqual({ precision: 0.5, recall: 0.25, f1: 1 / 3 });
    expect(precisionRecall(tripleCounts("", reference))).toEqual({ precision: 0, recall: 0, f1: 0 });
    expect(precisionRecall(tripleCounts(reference, "")).f1).toBe(0);
  });

  it("f1 is the mean of rows, micro-f1 that of all triples together", () => {
    const rows = [
      { prompt: "", answer: reference, reference },
      { prompt: "", answer: "a_b_c\nd_e_f", reference: "g_h_i\nj_k_l\na_b_c" },
    ];
    const counts = rows.map((row) => tripleCounts(row.answer, row.reference));
    expect(together(counts)).toEqual({ same: 3, answered: 4, wanted: 5 });
    expect(scores.f1.score(rows).total).toBeCloseTo((1 + 0.4) / 2, 12);
    expect(scores["micro-f1"].score(rows).total).toBeCloseTo((2 * 0.75 * 0.6) / 1.35, 12);
    expect(scores["micro-precision"].score(rows).total).toBe(0.75);
    expect(scores["micro-recall"].score(rows).total).toBe(0.6);
  });
});

it("perplexity weighs tokens, not rows", () => {
  expect(
    perplexity([
      { loss: 3 * Math.log(2), tokens: 3 },
      { loss: Math.log(32), tokens: 1 },
    ]),
  ).toBeCloseTo(2 ** 2, 12);
});

describe("rubrics", () => {
  const row = { prompt: "紫薯中的花青素具有显著的抗氧化作用，能延缓衰老。", reference: "" };

  it("give the share of checks that hold, of all lines", () => {
    const polite = rubric("polite", [
      { name: "says please", holds: ({ text }) => text.includes("请") },
      { name: "is short", holds: ({ text }) => text.length < 5 },
    ]);
    expect(fulfilled(polite, "请坐\n坐下来吧朋友", row)).toBe(0.5);
    expect(fulfilled(polite, " \n", row)).toBe(0);
  });

  it("find faults of generated questions", () => {
    const good = "花青素具有什么作用？\n紫薯能延缓衰老吗？";
    expect(fulfilled(questionRubric, good, row)).toBe(1);
    // Repeated; no question; about something else; stammering.
    for (const bad of [
      "花青素具有什么作用？",
      "花青素具有作用。",
      "落枕是怎么回事？",
      "花青素青素青素青素有什么作用？",
    ]) {
      expect(fulfilled(questionRubric, `${good}\n${bad}`, row), bad).toBeCloseTo(11 / 12, 12);
    }
  });
});
