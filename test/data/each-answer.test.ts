/** @file Each answer of a conversation by itself: what is asked, what is learnt, and what is refused. */
import { expect, it } from "vitest";
import { eachAnswer } from "../../src/data/each-answer.ts";
import type { RowTurn } from "../../src/data/row.ts";
import { toRows } from "../../src/data/rows.ts";

const turns: RowTurn[] = [
  { role: "system", content: "", tools: [{ name: "f" }] },
  { role: "user", content: "one?" },
  { role: "assistant", content: "let me see" },
  { role: "assistant", metadata: "f", content: "f()" },
  { role: "observation", content: "1" },
  { role: "assistant", content: "it is 1", loss: false },
  { role: "user", content: "thanks" },
  { role: "assistant", content: "welcome" },
];

it("asks for every answer that is learnt, after all that comes before it", () => {
  const [call, last, ...more] = eachAnswer(toRows([{ messages: turns }]));
  expect(more).toEqual([]);
  expect(call?.question).toEqual({ prompt: "one?", response: "", turns: turns.slice(0, 2) });
  expect(call?.answer).toEqual(turns.slice(2, 4));
  expect(call?.row.response).toBe("let me seef\nf()");
  expect(last?.question).toEqual({ prompt: "thanks", response: "", turns: turns.slice(0, 7) });
  expect(last?.row).toMatchObject({ prompt: "thanks", response: "welcome" });
  const learnt = (own: readonly RowTurn[] = []): number[] =>
    own.flatMap(({ role, loss }, i) => (role === "assistant" && loss !== false ? [i] : []));
  expect([learnt(call?.row.turns), learnt(last?.row.turns)]).toEqual([[2, 3], [7]]);
  // What follows an answer ends it.
  expect(call?.row.turns?.map(({ role, content }) => [role, content])).toEqual(
    turns.map(({ role, content }) => [role, content]),
  );
});

it("leaves rows of pairs as they are", () => {
  const row = { prompt: "a", response: "b", system: "s", history: [["c", "d"]] as const };
  expect(eachAnswer([row])).toEqual([{ row, question: row }]);
});

it("refuses every row of which a part of an answer is learnt", () => {
  const half = turns.map((turn, i) => (i === 2 ? { ...turn, loss: false } : turn));
  const rows = toRows([{ messages: half }, { messages: turns }, { messages: half }]);
  expect(() => eachAnswer(rows)).toThrow(/cannot be evaluated;.*\n- row 1 \("thanks"\): .*loss: false in one\n- row 3/);
});
