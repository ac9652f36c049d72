/** @file What cells may contain, what becomes of their values, and what later cells see of them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
});
afterAll(() => cells.stop());

describe("results", () => {
  test.each([
    ["1 + 1", "2"],
    ["'text'", "'text'"],
    ["null", "null"],
    ["({ a: [1, { b: 2 }] })", "{ a: [ 1, { b: 2 } ] }"],
    ["Promise.resolve('awaited')", "'awaited'"],
    ["await Promise.resolve(7)", "7"],
    ["new Map([[1, 2]])", "Map(1) { 1 => 2 }"],
    ["[1, 2, 3].map((x) => x * 2);", "[ 2, 4, 6 ]"],
    ["enum Colour { Red = 3 } Colour.Red", "3"],
    ["class Shape { sides = 4 }\nnew Shape()", "Shape { sides: 4 }"],
    ["export const pasted = 1; pasted", "1"],
    ["let __private = 5; __private", "5"],
    ["() => 1", "[Function (anonymous)]"],
    ["(class {})", "[class (anonymous)]"],
    ["(async function* () {})", "[AsyncGeneratorFunction (anonymous)]"],
    ["(function named() {})", "[Function: named]"],
  ])("%s", async (code, text) => {
    expect(await cells.text(code)).toBe(text);
  });

  test.each([
    "undefined",
    "void 0",
    "const unnamed = 1",
    "",
    "// a comment",
    "if (true) { 1 }",
    "let nothing: string; nothing",
  ])("none: %s", async (code) => {
    expect((await cells.run(code)).outcome).toEqual({ status: "ok" });
  });

  test("an object may say how it is displayed, at once or later", async () => {
    const { outcome } = await cells.run("({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<b>x</b>' }) })");
    expect(outcome).toEqual({ status: "ok", result: { "text/html": "<b>x</b>" } });
    const later = await cells.run("({ [Symbol.for('Jupyter.display')]: async () => ({ 'text/markdown': '*x*' }) })");
    expect(later.outcome).toEqual({ status: "ok", result: { "text/markdown": "*x*" } });
  });

  test("a rejected result is the cell's error", async () => {
    expect(await cells.failure("Promise.reject(new RangeError('late'))")).toMatchObject({
      name: "RangeError",
      message: "late",
    });
  });
});

describe("awaiting", () => {
  test("a cell whose only await is for await", async () => {
    const { output } = await cells.run("for await (const x of [Promise.resolve(1), 2]) console.log(x)");
    expect(output.stdout).toBe("1\n2\n");
  });

  test("inside blocks, and in functions that are not the cell's own", async () => {
    expect(await cells.text("let sum = 0;\nfor (const x of [1, 2]) { sum += await Promise.resolve(x) }\nsum")).toBe(
      "3",
    );
    expect(await cells.text("const twice = async (x: number) => 2 * (await x);\nawait twice(4)")).toBe("8");
    expect((await cells.failure("function f() { await null }")).plain).toContain("TS1308");
  });
});

describe("variables", () => {
  test("are seen by later cells, with their types", async () => {
    await cells.text("const word = 'x'; let count = 1; function shout(s: string) { return s.toUpperCase() + word }");
    expect(await cells.text("count++; shout('a') + count")).toBe("'Ax2'");
    expect((await cells.failure("shout(count)")).plain).toContain("TS2345");
    expect(await cells.text("({ word, count })")).toBe("{ word: 'x', count: 2 }");
  });

  test("may be declared anew, with another type", async () => {
    await cells.text("const again = 1; class Box { v = 1 }; function which() { return 'first' }");
    await cells.text("const again = 'text'; class Box { w = 2 }; function which() { return 'second' }");
    expect(await cells.text("again.length + new Box().w")).toBe("6");
    expect(await cells.text("which()")).toBe("'second'");
    expect((await cells.failure("new Box().v")).plain).toContain("TS2339");
  });

  test("are one and the same for functions of earlier cells", async () => {
    await cells.text("let temperature = 0.7; const ask = () => temperature");
    expect(await cells.text("temperature = 0.1; ask()")).toBe("0.1");
  });

  test("destructured, and declared without a value", async () => {
    await cells.text(
      "let { p, q: [r] } = { p: 1, q: [2] }; let unset: number | undefined; const [c, ...rest] = [1, 2, 3]",
    );
    expect(await cells.text("[p, r, unset, c, rest]")).toBe("[ 1, 2, undefined, 1, [ 2, 3 ] ]");
  });

  test("of a cell that failed keep what they were assigned, and those it did not reach what they had", async () => {
    await cells.text("let reached = 'old', unreached = 'old'");
    await cells.failure("let reached = 'new';\nthrow new Error('stop');\nlet unreached = 'new'");
    expect(await cells.text("[reached, unreached]")).toBe("[ 'new', 'old' ]");
  });

  test("of types that cannot be named are usable", async () => {
    await cells.text(
      "function make() { class Hidden { #secret = 1; open = 2 } return new Hidden() }\nconst hidden = make()",
    );
    expect(await cells.text("hidden.open")).toBe("2");
    await cells.text('const fs = await import("node:fs")');
    expect(await cells.text('fs.existsSync("/")')).toBe("true");
  });

  test("give their names to functions, as variables do", async () => {
    expect(await cells.text("let declared = () => 1; declared")).toBe("[Function: declared]");
    expect(await cells.text("let assigned: unknown; assigned = () => 1; assigned")).toBe("[Function: assigned]");
    expect(await cells.text("assigned = async () => 1; assigned")).toBe("[AsyncFunction: assigned]");
    expect(await cells.text("assigned = null; assigned ??= class {}; assigned")).toBe("[class assigned]");
    expect(await cells.text("let { inPattern = () => 2 } = {}; inPattern")).toBe("[Function: inPattern]");
    expect(await cells.text("({ assigned = () => 2 } = {} as any); assigned")).toBe("[Function: assigned]");
    expect(await cells.text("const member: any = {}; member.x = () => 1; member.x")).toBe("[Function (anonymous)]");
  });

  test("interfaces and types stay", async () => {
    await cells.text("interface Point { x: number }\ntype Pair = [Point, Point]");
    expect(await cells.text("const pair: Pair = [{ x: 1 }, { x: 2 }]; pair[1].x")).toBe("2");
    expect((await cells.failure("const point: Point = { x: 'no' }")).plain).toContain("TS2322");
  });

  test("a hot loop over top-level variables stays fast", async () => {
    expect(await cells.text("let total = 0; for (let i = 0; i < 1e7; i++) total += i;\ntotal")).toBe("49999995000000");
  });
});

describe("output", () => {
  test("console and streams", async () => {
    const { output } = await cells.run(
      "console.log('a', { b: 1 }); console.error('c'); console.warn('d'); process.stdout.write('e')",
    );
    expect(output).toMatchObject({ stdout: "a { b: 1 }\ne", stderr: "c\nd\n" });
  });

  test("of a late timer goes to its own cell", async () => {
    const first = await cells.run(
      "setTimeout(() => console.log('late'), 100); setImmediate(() => console.log('soon'))",
    );
    const second = await cells.run("await new Promise((resolve) => setTimeout(resolve, 200)); console.log('second')");
    expect(first.output.stdout).toBe("soon\nlate\n");
    expect(second.output.stdout).toBe("second\n");
  });

  test("errors of late timers and unhandled rejections go to their cell too, and end nothing", async () => {
    const { output } = await cells.run(
      "setTimeout(() => { throw new Error('in timer') }, 10); void Promise.reject(new Error('unhandled'))",
    );
    await cells.run("await new Promise((resolve) => setTimeout(resolve, 60))");
    expect(output.stderr).toMatch(/Error: unhandled\n {4}at Cell \[\d+\]:1:/);
    expect(output.stderr).toMatch(/Error: in timer\n {4}at .*Cell \[\d+\]:1:26/);
    expect(await cells.text("'alive'")).toBe("'alive'");
  });

  test("tslab's display functions", async () => {
    const { output } = await cells.run(
      "import * as tslab from 'tslab';\ntslab.display.html('<i>1</i>');\nconst d = tslab.newDisplay(); d.text('a'); d.text('b'); tslab.display.png(new Uint8Array([1, 2]))",
    );
    const [html, first, second, png] = output.shown;
    expect(html).toMatchObject({ kind: "display", bundle: { "text/html": "<i>1</i>" } });
    expect(first).toMatchObject({ kind: "display", bundle: { "text/plain": "a" }, id: expect.any(String) });
    expect(second).toMatchObject({ kind: "update", bundle: { "text/plain": "b" }, id: first?.id });
    expect(png?.bundle).toEqual({ "image/png": "AQI=" });
  });

  test("input()", async () => {
    const { text } = await cells.run("await input('Name?', { password: true })");
    expect(text).toBe("'answer to Name? (hidden)'");
  });

  test("of promisified timers", async () => {
    expect(await cells.text("import { promisify } from 'node:util'; await promisify(setTimeout)(5, 'value')")).toBe(
      "'value'",
    );
  });
});
