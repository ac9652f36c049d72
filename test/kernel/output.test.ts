import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OutputMerger, type StreamName } from "../../kernel/output.ts";
import type { Header } from "../../kernel/wire.ts";

const header = (msg_id: string): Header => ({
  msg_id,
  session: "",
  username: "",
  date: "",
  msg_type: "execute_request",
  version: "",
});
const cell = header("1");

let sent: [string, StreamName, string][];
let merger: OutputMerger;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  merger = new OutputMerger((parent, name, text) => sent.push([parent.msg_id, name, text]));
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first print goes out at once, the following ones together", () => {
  for (const text of ["a", "b", "c"]) merger.write(cell, "stdout", text);
  expect(sent).toEqual([["1", "stdout", "a"]]);
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([
    ["1", "stdout", "a"],
    ["1", "stdout", "bc"],
  ]);
  vi.advanceTimersByTime(1000);
  expect(sent).toHaveLength(2);
});

test("a print after a pause goes out at once again", () => {
  merger.write(cell, "stdout", "a");
  vi.advanceTimersByTime(1000);
  merger.write(cell, "stdout", "b");
  expect(sent.map(([, , text]) => text)).toEqual(["a", "b"]);
});

test("20,000 prints are few messages and lose nothing", () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`);
  for (const line of lines) merger.write(cell, "stdout", line);
  merger.flush(cell);
  expect(sent.length).toBeLessThan(5);
  expect(sent.map(([, , text]) => text).join("")).toBe(lines.join(""));
});

test("the order of stdout and stderr is kept", () => {
  for (const [name, text] of [
    ["stdout", "1"],
    ["stdout", "2"],
    ["stderr", "3"],
    ["stdout", "4"],
  ] as const)
    merger.write(cell, name, text);
  merger.flush(cell);
  expect(sent.map(([, name, text]) => `${name}:${text}`)).toEqual(["stdout:1", "stdout:2", "stderr:3", "stdout:4"]);
});

test("endless alternation stays few messages", () => {
  for (let i = 0; i < 5000; i++) merger.write(cell, i % 2 ? "stdout" : "stderr", `${i};`);
  merger.flush(cell);
  expect(sent.length).toBeLessThan(100);
  for (const wanted of ["stdout", "stderr"]) {
    const text = sent
      .filter(([, name]) => name === wanted)
      .map(([, , part]) => part)
      .join("");
    const numbers = Array.from({ length: 2500 }, (_, index) => 2 * index + (wanted === "stdout" ? 1 : 0));
    expect(text).toBe(numbers.map((number) => `${number};`).join(""));
  }
});

test("long text is cut below what the Jupyter server takes, never through a character", () => {
  const text = `x${"😀".repeat(400_000)}`;
  merger.write(cell, "stdout", text);
  expect(sent.length).toBeGreaterThan(1);
  expect(sent.map(([, , part]) => part).join("")).toBe(text);
  for (const [, , part] of sent) {
    expect(Buffer.byteLength(part)).toBeLessThan(2_000_000);
    expect(() => encodeURIComponent(part)).not.toThrow(); // no half of a surrogate pair
  }
});

test("cells do not wait for each other, and each keeps its own output", () => {
  merger.write(cell, "stdout", "a");
  merger.write(cell, "stdout", "b");
  merger.write(header("2"), "stdout", "c");
  merger.end(cell);
  expect(sent).toEqual([
    ["1", "stdout", "a"],
    ["2", "stdout", "c"],
    ["1", "stdout", "b"],
  ]);
});

test("late output of an ended cell names that cell", () => {
  merger.write(cell, "stdout", "a");
  merger.end(cell);
  merger.write(cell, "stderr", "late");
  expect(sent.at(-1)).toEqual(["1", "stderr", "late"]);
});
