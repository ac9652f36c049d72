/** @file The base's answers are asked once, kept by model, and asked again when what was kept cannot be used. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AskBase, type BaseAnswer, baseAnswers } from "../../src/api/base-answers.ts";

let home: string;
let asked: (readonly string[])[];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "glm-answers-"));
  vi.stubEnv("GLMLAB_CACHE", home);
  asked = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

const answerOf = (question: string): BaseAnswer => ({ text: `${question}!`, complete: question !== "long" });
const ask: AskBase = async (questions, onAnswer) => {
  asked.push(questions);
  for (const [i, question] of questions.entries()) {
    if (question === "interrupted") throw new Error(question);
    onAnswer(i, answerOf(question));
  }
};
const answers = (key: string | undefined, questions: readonly string[], seen: [number, number][] = []) =>
  baseAnswers(key, questions, ask, (done, total) => seen.push([done, total]));
const file = (): string => join(home, "answers", readdirSync(join(home, "answers"))[0] ?? "");

describe("answers of the base", () => {
  it("are asked once each, and come in the questions' order", async () => {
    const seen: [number, number][] = [];
    const first = await answers("m", ["b", "a", "b", "long"], seen);
    expect([...first]).toEqual([
      ["b", { text: "b!", complete: true }],
      ["a", { text: "a!", complete: true }],
      ["long", { text: "long!", complete: false }],
    ]);
    expect(asked).toEqual([["b", "a", "long"]]);
    expect(seen).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    const again = await answers("m", ["a", "c", "b"], seen);
    expect([...again.keys()]).toEqual(["a", "c", "b"]);
    expect(asked.slice(1)).toEqual([["c"]]);
    expect([...(await answers("m", ["long", "c"]))]).toEqual([
      ["long", answerOf("long")],
      ["c", answerOf("c")],
    ]);
    expect(asked).toHaveLength(2);
  });

  it("are kept when the rest is interrupted", async () => {
    await expect(answers("m", ["a", "b", "interrupted", "c"])).rejects.toThrow("interrupted");
    expect([...(await answers("m", ["b", "c", "a"])).values()]).toEqual(["b", "c", "a"].map(answerOf));
    expect(asked.slice(1)).toEqual([["c"]]);
  });

  it("are not lost when another notebook asks meanwhile", async () => {
    const slow: AskBase = async (questions, onAnswer) => {
      await answers("m", ["b"]);
      await ask(questions, onAnswer);
    };
    await baseAnswers("m", ["a"], slow, () => undefined);
    await answers("m", ["a", "b"]);
    expect(asked).toEqual([["b"], ["a"]]);
  });

  it("are another model's own", async () => {
    await answers("m", ["a"]);
    await answers("n", ["a"]);
    expect(asked).toEqual([["a"], ["a"]]);
    expect(readdirSync(join(home, "answers"))).toHaveLength(2);
  });

  it("are not kept without a key", async () => {
    await answers(undefined, ["a"]);
    await answers(undefined, ["a"]);
    expect(asked).toHaveLength(2);
    expect(readdirSync(home)).toEqual([]);
  });

  it.each([
    ["nothing", ""],
    ["half of it", '{"key":"m","answers":{"a":{"text":"a!","comp'],
    ["null", "null"],
    ["no answers", '{"key":"m"}'],
    ["other answers", '{"answers":{"a":"a!","b":null}}'],
    ["bytes", "\u0000\u0001"],
  ])("are asked again when the file has %s, and are then kept", async (_, content) => {
    await answers("m", ["a", "b"]);
    writeFileSync(file(), content);
    expect([...(await answers("m", ["a", "b"]))]).toEqual([
      ["a", answerOf("a")],
      ["b", answerOf("b")],
    ]);
    expect(asked).toHaveLength(2);
    await answers("m", ["a", "b"]);
    expect(asked).toHaveLength(2);
  });

  it("keep what is whole of a file whose other part is not", async () => {
    await answers("m", ["a", "b"]);
    const kept = JSON.parse(readFileSync(file(), "utf8")) as { answers: Record<string, unknown> };
    writeFileSync(file(), JSON.stringify({ ...kept, answers: { ...kept.answers, b: { text: 5 } } }));
    await answers("m", ["a", "b"]);
    expect(asked.at(-1)).toEqual(["b"]);
  });

  it("are given when they cannot be kept", async () => {
    writeFileSync(join(home, "answers"), "a file in the folder's place");
    expect((await answers("m", ["a"])).get("a")).toEqual(answerOf("a"));
    expect((await answers("m", ["a"])).get("a")).toEqual(answerOf("a"));
    expect(asked).toHaveLength(2);
  });

  it("may be to any question, also to the name of a thing that objects have", async () => {
    const odd = ["constructor", "toString", "hasOwnProperty", "0", ""];
    expect([...(await answers("m", odd)).values()]).toEqual(odd.map(answerOf));
    expect([...(await answers("m", odd)).values()]).toEqual(odd.map(answerOf));
    expect(asked).toEqual([odd]);
  });

  it("of a run that failed are not kept", async () => {
    const failing = baseAnswers(
      "m",
      ["a"],
      async () => {
        throw new Error("interrupted");
      },
      () => undefined,
    );
    await expect(failing).rejects.toThrow("interrupted");
    await answers("m", ["a"]);
    expect(asked).toEqual([["a"]]);
  });
});
