/** @file What the front end asks while the user types: completion, inspection, whether a cell is complete. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
  await cells.text(
    "/** Doubles a number. */\nfunction double(x: number): number { return 2 * x }\nconst point = { across: 1, down: 2 }",
  );
});
afterAll(() => cells.stop());

describe("completion", () => {
  test.each([
    ["members", "point.|", ["across", "down"]],
    ["members with a prefix", "point.ac|", ["across"]],
    ["variables of earlier cells", "const x = dou|", ["double"]],
    ["names of the same cell", "const something = 1;\nsomet|", ["something"]],
    ["names in an import", 'import { readFileS| } from "node:fs"', ["readFileSync"]],
    ["names of modules", 'import x from "node:timers/p|"', ["node:timers/promises"]],
    ["glmlab itself", 'import x from "glm|"', ["glmlab", "glmlab/magics"]],
    ["keys of an object", "const p: typeof point = { ac| }", ["across"]],
  ])("of %s", async (_name, marked, expected) => {
    const cursor = marked.indexOf("|");
    const code = marked.replace("|", "");
    const { matches, start, end } = await cells.complete(code, cursor);
    expect(matches).toEqual(expect.arrayContaining(expected));
    const typed = /[\w$]*$/.exec(code.slice(0, cursor))?.[0] ?? "";
    if (!marked.includes('from "')) expect(code.slice(start, cursor)).toBe(typed);
    expect(end).toBeGreaterThanOrEqual(cursor);
    for (const match of expected) expect(match.startsWith(code.slice(start, cursor))).toBe(true);
  });

  test("of globals, without the kernel's own names", async () => {
    const { matches } = await cells.complete("");
    expect(matches).toEqual(expect.arrayContaining(["console", "double", "input", "process"]));
    expect(matches.filter((match) => match.startsWith("__"))).toEqual([]);
  });

  test("of magics and beside them", async () => {
    expect((await cells.complete("%lsm")).matches).toContain("%lsmagic");
    const code = "%lsmagic\npoint.do";
    expect(await cells.complete(code)).toEqual({ matches: ["down"], start: code.length - 2, end: code.length });
  });

  test("where there is nothing to complete", async () => {
    expect((await cells.complete("const s = 'text")).matches).toEqual([]);
    expect((await cells.complete("// comment")).matches).toEqual([]);
  });

  test("leaves the next cell alone", async () => {
    await cells.complete("const ghost = 1; gho");
    expect((await cells.failure("ghost")).plain).toContain("TS2304");
  });
});

describe("inspection", () => {
  const plain = async (marked: string): Promise<unknown> => {
    return (await cells.inspect(marked.replace("|", ""), marked.indexOf("|")))?.["text/plain"];
  };

  test.each(["dou|ble(1)", "double|(1)", "double(|", "double(| 1)", "|double", "double|"])(
    "of a function: %s",
    async (marked) => {
      expect(await plain(marked)).toBe("function double(x: number): number\n\nDoubles a number.");
    },
  );

  test("of Node's and the language's own, with their documentation", async () => {
    expect(await plain("console.lo|g(1)")).toMatch(/\(method\) Console\.log[\s\S]*Prints to `stdout` with newline/);
    expect(await plain("[].ma|p")).toMatch(/Array<.*>\.map[\s\S]*Calls a defined callback function/);
    expect(await plain("import { readFileSync } from 'fs'; readFile|Sync")).toMatch(
      /readFileSync[\s\S]*Returns the contents of the `path`/,
    );
  });

  test("of a variable beside a magic", async () => {
    expect(await plain("%lsmagic\npoi|nt")).toContain("const point");
  });

  test("of a magic", async () => {
    expect(await plain("%lsma|gic")).toContain("lsmagic");
  });

  test("of nothing", async () => {
    expect(await cells.inspect("   ", 1)).toBeUndefined();
    expect(await cells.inspect("1 + 1", 2)).toBeUndefined();
  });
});

describe("completeness", () => {
  test.each([
    ["1 + 1", "complete"],
    ["function f() {", "incomplete"],
    ["const x = [1,", "incomplete"],
    ["if (true) {\n  f(", "incomplete"],
    ["%%chatglm", "complete"],
    ["%lsmagic", "complete"],
    ["let x = ;", "complete"],
  ])("%j: %s", async (code, status) => {
    expect((await cells.isComplete(code)).status).toBe(status);
  });

  test("says how to indent", async () => {
    expect(await cells.isComplete("  if (x) {")).toEqual({ status: "incomplete", indent: "    " });
  });
});
