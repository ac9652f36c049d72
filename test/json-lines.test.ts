/** @file Values and their lines, in every form that text with JSON has. */
import { describe, expect, it } from "vitest";
import { readJson } from "../src/json-lines.ts";
import { randomStream } from "../src/random.ts";

describe("reading JSON and JSON lines", () => {
  it("tells the line on which each item of an array begins, whatever is in it", () => {
    const items = [{ a: ["]", "[,{", '\\"'], b: { c: [] } }, [], 1.5, "x,\ny", null, [[2], [3]], {}, true];
    for (const space of [undefined, 2]) {
      const text = `\n\n${JSON.stringify(items, null, space)}\n`;
      const lines = items.map((_, i) => {
        const before = JSON.stringify([...items.slice(0, i), 0], null, space);
        return 2 + before.slice(0, before.lastIndexOf("0")).split("\n").length;
      });
      expect(readJson(text)).toEqual({
        form: "json",
        values: items.map((value, i) => ({ value, line: lines[i] })),
      });
    }
    expect(readJson("[]")).toEqual({ form: "json", values: [] });
    expect(readJson('\ufeff\n{"a": 1}')).toEqual({ form: "json", values: [{ value: { a: 1 }, line: 2 }] });
  });

  it("keeps the lines of JSON lines, and says which are none", () => {
    expect(readJson('{"a": 1}\r\n\r\nhello\n  {"a": 2}\n')).toEqual({
      form: "lines",
      values: [
        { value: { a: 1 }, line: 1 },
        { value: { a: 2 }, line: 4 },
      ],
      faults: [{ line: 3, text: "hello", why: expect.stringContaining("JSON") }],
    });
    expect(readJson('[{"a": }]')).toEqual({
      form: "broken",
      why: expect.stringMatching(/^the JSON array cannot be read: .*JSON/),
    });
    expect(readJson(" \n")).toEqual({ form: "lines", values: [], faults: [] });
  });

  it("reads what was written, at random", () => {
    const stream = randomStream(7, "json");
    const draw = (): number => stream.uniform();
    const value = (depth: number): unknown => {
      const kind = Math.floor(draw() * (depth > 2 ? 3 : 5));
      if (kind === 0) return Math.floor(draw() * 100);
      if (kind === 1) return ['"', "\\", "[", "{,", "\n", "梦"].filter(() => draw() < 0.5).join("");
      if (kind === 2) return null;
      const parts = Array.from({ length: Math.floor(draw() * 4) }, () => value(depth + 1));
      return kind === 3 ? parts : Object.fromEntries(parts.map((part, i) => [`k${i}`, part]));
    };
    for (let trial = 0; trial < 200; trial++) {
      const items = Array.from({ length: Math.floor(draw() * 6) }, () => value(0));
      const text = `[\n${items.map((item) => JSON.stringify(item)).join(",\n")}\n]`;
      expect(readJson(text)).toEqual({ form: "json", values: items.map((item, i) => ({ value: item, line: i + 2 })) });
    }
  });
});
