import { expect, test } from "vitest";
import { History } from "../../kernel/history.ts";

function filled(...inputs: string[]): History {
  const history = new History();
  inputs.forEach((input, index) => {
    history.add(index + 1, input)(`result of ${input}`);
  });
  return history;
}

test("tail gives the last cells, oldest first, with their results on demand", () => {
  const history = filled("a", "b", "c");
  expect(history.find({ access: "tail", count: 2, output: false })).toEqual([
    [0, 2, "b"],
    [0, 3, "c"],
  ]);
  expect(history.find({ access: "tail", count: 1, output: true })).toEqual([[0, 3, ["c", "result of c"]]]);
  expect(history.find({ access: "tail", count: 0, output: false })).toEqual([]);
});

test("a cell without a result has none", () => {
  const history = new History();
  history.add(1, "let x = 1");
  expect(history.find({ access: "tail", count: 1, output: true })).toEqual([[0, 1, ["let x = 1", null]]]);
});

test("a range leaves its end out; earlier sessions are not known", () => {
  const history = filled("a", "b", "c");
  expect(history.find({ access: "range", session: 0, start: 2, stop: 3, output: false })).toEqual([[0, 2, "b"]]);
  expect(history.find({ access: "range", session: 0, start: 2, stop: undefined, output: false })).toHaveLength(2);
  expect(history.find({ access: "range", session: -1, start: 1, stop: 9, output: false })).toEqual([]);
});

test("a search takes * and ? and nothing else as special", () => {
  const history = filled("1 + 2", "f(1)\nf(2)", "1 + 2", "a.b");
  const search = (pattern: string, rest: { unique?: boolean; count?: number } = {}) =>
    history
      .find({ access: "search", pattern, unique: rest.unique ?? false, count: rest.count, output: false })
      .map(([, line]) => line);
  expect(search("1 + ?")).toEqual([1, 3]);
  expect(search("1 + ?", { unique: true })).toEqual([3]);
  expect(search("*", { count: 2 })).toEqual([3, 4]);
  expect(search("f*2)")).toEqual([2]);
  expect(search("?.b")).toEqual([4]);
  expect(search("[ab].b")).toEqual([]);
});
