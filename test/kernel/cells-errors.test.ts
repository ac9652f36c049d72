/** @file Errors point at what the user wrote: at run time, in compilation and in magics. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
});
afterAll(() => cells.stop());

/** A traceback with its cell's number left out. */
const numberless = (traceback: string): string => traceback.replace(/Cell \[\d+\]/g, "Cell [n]");

describe("errors at run time", () => {
  test("have name, message, place, excerpt with a caret, and only the user's frames", async () => {
    const { name, message, plain } = await cells.failure(
      "interface A {\n  a: number;\n}\n\n// comment\n/* more\n lines */\nfunction f(x: A) {\n  return (x as any).nope.deep;\n}\n\nf({ a: 1 });",
    );
    expect({ name, message }).toEqual({
      name: "TypeError",
      message: "Cannot read properties of undefined (reading 'deep')",
    });
    expect(numberless(plain)).toBe(
      [
        "TypeError: Cannot read properties of undefined (reading 'deep')",
        "Cell [n]:9:26",
        "   7 |  lines */",
        "   8 | function f(x: A) {",
        ">  9 |   return (x as any).nope.deep;",
        "     |                          ^",
        "  10 | }",
        "    at f (Cell [n]:9:26)",
        "    at Cell [n]:12:1",
      ].join("\n"),
    );
  });

  test("of the library tell nothing of where in the library they were made", async () => {
    const { name, plain } = await cells.failure("%%train t @nosuch.jsonl");
    expect(name).toBe("GlmError");
    expect(numberless(plain)).toMatch(
      /^GlmError: nosuch\.jsonl: expected a file of training rows, .*\nCell \[n\]:1:\d+\n/,
    );
    expect(plain).not.toMatch(/file:|dist|node:|Caused by/);
    writeFileSync(join(cells.folder, "tokenizer.model"), "no tokenizer at all");
    const caused = await cells.failure('import { loadTokenizer } from "glmlab"; await loadTokenizer(".");');
    expect(caused.plain).toMatch(/^GlmError: [\s\S]*Caused by:/);
    expect(caused.plain).not.toMatch(/file:|dist/);
  });

  test.each([
    ["let shifted = 1, other = null as any;\nlet third = other.x", "2:19"],
    ["await null;\nconst later = 1;\n  (null as any).x", "3:17"],
    ["type T = string;\n\nconst v = (JSON.parse as any)('{');", "3:17"],
    ["if (true) {\n\tthrow new Error('tab')\n}", "2:8"],
    ["import { readFileSync } from 'node:fs';\n\nconst text = readFileSync('/does/not/exist')", "3:14"],
    ["for await (const x of [1]) {\n  (x as any)();\n}", "2:4"],
    ["class C {\n  #p = 1;\n  get fails(): number { throw new Error('getter') }\n}\nnew C().fails", "3:31"],
  ])("in %j at %s", async (code, at) => {
    expect((await cells.failure(code)).plain).toMatch(new RegExp(`\\nCell \\[\\d+\\]:${at}\\n`));
  });

  test("in a function of an earlier cell name that cell, and the caller's", async () => {
    await cells.text("function thrower() {\n  throw new Error('from before');\n}");
    const { plain } = await cells.failure("\nthrower()");
    const [inner, outer] = [...plain.matchAll(/at .*Cell \[(\d+)\]:(\d+)/g)];
    expect(Number(outer?.[1])).toBe(Number(inner?.[1]) + 1);
    expect([inner?.[2], outer?.[2]]).toEqual(["2", "2"]);
  });

  test("keep asynchronous callers", async () => {
    const { plain } = await cells.failure(
      "async function inner() {\n  await null;\n  throw new Error('deep');\n}\n\nawait inner()",
    );
    expect(numberless(plain)).toContain("at inner (Cell [n]:3:9)\n    at async Cell [n]:6:1");
  });

  test("show causes and the parts of an AggregateError", async () => {
    const cause = await cells.failure("throw new Error('outer', { cause: new RangeError('inner') })");
    expect(cause.plain).toMatch(/Error: outer[\s\S]*Caused by:\nRangeError: inner/);
    const parts = await cells.failure(
      "await Promise.any([Promise.reject(new Error('one')), Promise.reject(new Error('two'))])",
    );
    expect(parts.plain).toMatch(/Caused by:\nError: one[\s\S]*Caused by:\nError: two/);
  });

  test("of values that are no errors", async () => {
    expect(await cells.failure("throw { a: 1 }")).toMatchObject({ name: "Uncaught", message: "{ a: 1 }" });
  });

  test("of local files name the file", async () => {
    writeFileSync(
      join(cells.folder, "broken.ts"),
      "type X = 1;\n\nexport function broken(): never {\n  throw new Error('file');\n}\n",
    );
    const { plain } = await cells.failure('import { broken } from "./broken.ts";\nbroken()');
    expect(plain).toMatch(/\nbroken\.ts:4:9\n/);
    expect(plain).toContain(">  4 |   throw new Error('file');".replace("  4", " 4"));
    expect(plain).toMatch(/at Cell \[\d+\]:2:1/);
  });

  test("printed by the cell itself have the user's lines too", async () => {
    const { output } = await cells.run("console.log(\n  new Error('printed').stack\n)");
    expect(numberless(output.stdout)).toBe("Error: printed\n    at Cell [n]:2:3\n");
  });
});

describe("errors of compilation", () => {
  test("have code, message, place and excerpt, one for each", async () => {
    const { name, message, plain } = await cells.failure("const ok = 1;\nconst n: number = 'text';\nmissing");
    expect(name).toBe("TypeScript error");
    expect(numberless(message)).toBe(
      "TS2322: Type 'string' is not assignable to type 'number'. (Cell [n]:2:7) and 1 more",
    );
    expect(numberless(plain)).toBe(
      [
        "TypeScript error TS2322: Type 'string' is not assignable to type 'number'.",
        "Cell [n]:2:7",
        "  1 | const ok = 1;",
        "> 2 | const n: number = 'text';",
        "    |       ^",
        "  3 | missing",
        "",
        "TypeScript error TS2304: Cannot find name 'missing'.",
        "Cell [n]:3:1",
        "  1 | const ok = 1;",
        "  2 | const n: number = 'text';",
        "> 3 | missing",
        "    | ^^^^^^^",
      ].join("\n"),
    );
  });

  test("leave nothing behind", async () => {
    await cells.failure("let half = 1; half.nope");
    expect((await cells.failure("half")).plain).toContain("TS2304");
  });

  test("of syntax", async () => {
    expect((await cells.failure("let x = ;")).plain).toMatch(/TS1109[\s\S]*Cell \[\d+\]:1:9/);
  });

  test("in local files name the file", async () => {
    writeFileSync(join(cells.folder, "wrong.ts"), "export const a = 1;\nexport const b: string = a;\n");
    expect((await cells.failure('import { b } from "./wrong.ts"; b')).plain).toMatch(/TS2322[\s\S]*wrong\.ts:2:14\n/);
  });
});

describe("errors of magics", () => {
  test("of how a magic is written", async () => {
    const { name, plain } = await cells.failure("const before = 1;\n%nonsense");
    expect(name).toBe("MagicError");
    expect(numberless(plain)).toContain("Cell [n]:2:1\n");
    expect(plain).toContain("> 2 | %nonsense\n    | ^^^^^^^^^");
  });

  test("of TypeScript beside a magic point at what was written", async () => {
    const { plain } = await cells.failure("%lsmagic\nconst n: number = 'text';");
    expect(numberless(plain)).toContain("Cell [n]:2:7\n");
    expect(numberless((await cells.failure("%lsmagic\n\n  throw new Error('after')")).plain)).toContain(
      "Cell [n]:3:9\n",
    );
  });
});
