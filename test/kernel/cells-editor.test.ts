/** @file What the front end asks while the user types: completion, inspection, whether a cell is complete. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is typed in cells
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

  test.each([
    "nope|",
    "no|pe.foo",
    "nope(|",
    "new nope|()",
    "point.no|pe",
    "typeof nop|e",
    "let x: Nop|e",
    "import { no|pe } from 'node:fs'",
    "import nope| from 'not-there'",
    "%nosu|ch",
    "%%chatglm\nnop|e",
  ])("of a name that nothing has: %s", async (marked) => {
    expect(await cells.inspect(marked.replace("|", ""), marked.indexOf("|"))).toBeUndefined();
  });

  test("of what is of type any indeed", async () => {
    expect(await plain("const thing: any = 1; thin|g")).toBe("const thing: any");
    expect(await plain("un|defined")).toBe("var undefined");
  });
});

describe("completeness", () => {
  test.each([
    "",
    "\n\n",
    "1 + 1",
    "// a comment",
    "`a${`b${1}`}`",
    "a / b / c // `",
    "/[`]/.test('`')",
    "await f()",
    "for await (const x of y) {}",
    "export const a = 1",
    "declare const x: number",
    "let x",
    "<number>x",
    "const f = <T>(x: T) => x",
    "%%chatglm",
    "%%chatglm\n`text",
    "%lsmagic",
  ])("complete: %j", async (code) => {
    expect(await cells.isComplete(code)).toEqual({ status: "complete" });
  });

  test.each([
    "`open",
    "const s = `a\n\n",
    "`a${",
    "`a${b} c",
    "`a${`b",
    "(`x`",
    "/* open",
    "'abc\\",
    "function f() {",
    "function f() {\n\n\n",
    "function f()",
    "async function g(a: number): Promise<void>",
    "const x = [1,",
    "if (true) {\n  f(",
    "if (x)",
    "if (x) y(); else",
    "do {}",
    "try {}",
    "1 +",
    "a ? b",
    "a.",
    "x =>",
    "const x",
    "const x =",
    "let y: ",
    "class A",
    "import {a",
    "import x from",
    "export",
    "@decorated",
    "%model tiny \\",
    "%lsmagic\nfunction f() {",
  ])("incomplete: %j", async (code) => {
    expect(await cells.isComplete(code)).toMatchObject({ status: "incomplete", indent: expect.any(String) });
  });

  test.each([
    ") 1",
    "const = 5",
    "let x = ;",
    "}",
    "]",
    "'abc",
    '"abc\n',
    "/abc",
    "1 2",
    "if (x {}",
    "foo(]",
    "{ ) ",
    "else {}",
    "class 1 {}",
    "`${)}`",
    "5x",
    "%nosuch",
    "%model --nope",
    "%%nosuch\ntext",
  ])("invalid: %j", async (code) => {
    expect(await cells.isComplete(code)).toEqual({ status: "invalid" });
  });

  test.each([
    ["  if (x) {", "    "],
    ["foo([1, (2),", "  "],
    ["  const x =", "  "],
    ["  f(`${", "    "],
    ["  `open", ""],
    ["  /* open", ""],
  ])("%j is to be indented by %j", async (code, indent) => {
    expect(await cells.isComplete(code)).toEqual({ status: "incomplete", indent });
  });
});
