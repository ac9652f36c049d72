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

/** What has been sent of a stream so far. */
const text = (wanted: StreamName): string =>
  sent
    .filter(([, name]) => name === wanted)
    .map(([, , part]) => part)
    .join("");

test("the order is kept over hundreds of turns, and again after a while", () => {
  for (let round = 0; round < 2; round++) {
    sent.length = 0;
    const written = Array.from({ length: 800 }, (_, i) => (i % 2 ? `stdout:${i}` : `stderr:${i}`));
    for (const line of written) merger.write(cell, line.slice(0, 6) as StreamName, line.slice(7));
    merger.flush(cell);
    expect(sent.map(([, name, part]) => `${name}:${part}`)).toEqual(written);
    vi.advanceTimersByTime(5000);
  }
});

test("turns without end stay below what the Jupyter server lets through: 3000 messages in three seconds", () => {
  for (let ms = 0; ms < 3000; ms += 10) {
    for (let turn = 0; turn < 50; turn++) merger.write(cell, turn % 2 ? "stdout" : "stderr", "x");
    vi.advanceTimersByTime(10);
  }
  expect(sent.length).toBeLessThan(3000);
  merger.end(cell);
  expect(text("stdout") + text("stderr")).toBe("x".repeat(15_000));
});

test("halves of a character join across writes of their stream", () => {
  merger.write(cell, "stdout", "a\ud83c");
  expect(sent).toEqual([["1", "stdout", "a"]]);
  merger.write(cell, "stderr", "e");
  merger.write(cell, "stdout", "\udf82b");
  merger.flush(cell);
  expect([text("stdout"), text("stderr")]).toEqual(["a🎂b", "e"]);
});

test("a half whose other half never comes is replaced at the end of the cell", () => {
  merger.write(cell, "stdout", "\ud83c");
  merger.flush(cell);
  expect(sent).toEqual([]);
  merger.end(cell);
  expect(sent).toEqual([["1", "stdout", "\ufffd"]]);
});

test("what goes beyond a cell's allowance is left out and counted, to the last character", () => {
  const chunk = "x".repeat(999_999);
  for (let i = 0; i < 40; i++) merger.write(cell, "stdout", chunk);
  expect(text("stderr")).toBe("");
  vi.advanceTimersByTime(100);
  expect(text("stderr")).toMatch(
    /^\n\[From here on output of this cell is left out: .* 32,000,000 characters at once and 1,000,000/,
  );
  expect(text("stdout")).toHaveLength(32_000_000);
  merger.end(cell);
  expect(text("stderr")).toContain(
    `[Left out here: ${(40 * 999_999 - 32_000_000).toLocaleString("en")} characters.]\n`,
  );
});

test("after a second the cell may print again, and says first what is missing", () => {
  merger.write(cell, "stdout", "x".repeat(32_000_010));
  vi.advanceTimersByTime(900);
  merger.write(cell, "stdout", "lost");
  vi.advanceTimersByTime(200);
  sent.length = 0;
  merger.write(cell, "stdout", "seen");
  merger.end(cell);
  expect(sent.map(([, name, part]) => [name, part])).toEqual([
    ["stderr", "[Left out here: 14 characters.]\n"],
    ["stdout", "seen"],
  ]);
});

test("displays share the allowance, and are counted", () => {
  const admitted = Array.from({ length: 40 }, () => merger.admits(cell, 1_000_000));
  expect(admitted.filter(Boolean)).toHaveLength(31);
  merger.end(cell);
  expect(text("stderr")).toContain("[Left out here: 9 displays.]\n");
});

test("a chart that is redrawn twice a second for an hour is always shown", () => {
  for (let turn = 0; turn < 7200; turn++) {
    expect(merger.admits(cell, 400_000)).toBe(true);
    vi.advanceTimersByTime(500);
  }
});
