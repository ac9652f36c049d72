/** @file Local files that cells import, of every kind that Node runs: as they are written, and again as they are edited. */
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
/** Files are written a second apart, as the clock of the file system sees it. */
let clock = Date.now() / 1000 - 1000;

function write(path: string, text: string): void {
  const file = join(cells.folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  clock += 1;
  utimesSync(file, clock, clock);
}

beforeAll(async () => {
  cells = await CellProcess.start();
}, 60_000);
afterAll(() => cells.stop());

describe("a file awaits at its top level", () => {
  test.each(["await1.ts", "await2.mts", "await3.js", "await4.mjs", "await5.tsx"])("%s", async (name) => {
    write(name, "const value = await Promise.resolve(41);\nexport const next = value + 1;");
    expect(await cells.text(`import { next } from "./${name}"; next`)).toBe("42");
  });

  test("and exports nothing", async () => {
    write("quiet.ts", "await null;\nconsole.log('quiet');");
    expect((await cells.run('import "./quiet.ts"')).output.stdout).toBe("quiet\n");
    write("loud.js", "for await (const x of [1]) console.log('quiet', x);");
    expect((await cells.run('import "./loud.js"')).output.stdout).toBe("quiet 1\n");
  });

  test("but not in a function that is not async", async () => {
    write("wrong.ts", "export function f() { await null; }");
    expect((await cells.failure('import { f } from "./wrong.ts"')).plain).toMatch(/TS1308[\s\S]*wrong\.ts:1:23/);
  });
});

describe("a script, which exports nothing, is run", () => {
  test.each(["set1.ts", "set2.mts", "set3.cts", "set4.js", "set5.cjs", "set6.mjs"])("%s", async (name) => {
    write(name, "const local = 'set up';\nglobalThis.console.log(local);");
    expect((await cells.run(`import "./${name}"`)).output.stdout).toBe("set up\n");
    expect((await cells.run(`import "./${name}"`)).output.stdout).toBe("");
    expect((await cells.failure("local")).plain).toContain("TS2304");
    write(name, "console.log('set up again');");
    expect((await cells.run(`import "./${name}"`)).output.stdout).toBe("set up again\n");
  });

  test("and two of them may declare the same name", async () => {
    write("one.ts", "const same = 1; console.log(same);");
    write("two.ts", "const same = 2; console.log(same);");
    expect((await cells.run('import "./one.ts"; import "./two.ts"')).output.stdout).toBe("1\n2\n");
  });
});

describe("CommonJS", () => {
  test.each(["old.js", "old.cjs"])("%s: its names, its default, whole, required, and imported later", async (name) => {
    write("lib/part.cjs", "exports.part = 'part';");
    write(
      name,
      "const path = require('node:path');\nconst { part } = require('./lib/part.cjs');\nexports.part = part; exports.base = path.basename(__filename);\nmodule.exports.folder = __dirname;",
    );
    expect(await cells.text(`import { part, base } from "./${name}"; [part, base]`)).toBe(`[ 'part', '${name}' ]`);
    expect(await cells.text(`import old from "./${name}"; old.part`)).toBe("'part'");
    expect(await cells.text(`import * as whole from "./${name}"; whole.folder === process.cwd()`)).toBe("true");
    expect(await cells.text(`require("./${name}").part`)).toBe("'part'");
    expect(await cells.text(`(await import("./${name}")).base`)).toBe(`'${name}'`);
    write(`uses-${name}.ts`, `import { base } from "./${name}"; export const used = base;`);
    expect(await cells.text(`import { used } from "./uses-${name}.ts"; used`)).toBe(`'${name}'`);
  });

  test("one function or class", async () => {
    write("shape.js", "module.exports = class Shape { constructor() { this.sides = 4; } };");
    expect(await cells.text('import Shape from "./shape.js"; new Shape()')).toBe("Shape { sides: 4 }");
    write("twice.cjs", "module.exports = (x) => 2 * x;");
    expect(await cells.text('import twice from "./twice.cjs"; twice(4)')).toBe("8");
  });

  test("plain JavaScript is not held to its types, unless it asks for it", async () => {
    write("loose.js", "const box = {}; box.later = 1; module.exports = { later: [box.later, [].nope] };");
    expect(await cells.text('import { later } from "./loose.js"; later')).toBe("[ 1, undefined ]");
    write("checked.mjs", "// @ts-check\n/** @type {number} */\nexport const n = 'text';");
    expect((await cells.failure('import { n } from "./checked.mjs"')).plain).toMatch(/TS2322[\s\S]*checked\.mjs:3/);
  });

  test("an error says where in the file", async () => {
    write("fails.cjs", "exports.ok = 1;\nthrow new RangeError('in the file');");
    expect((await cells.failure('import "./fails.cjs"')).traceback.join("\n")).toMatch(/fails\.cjs:2/);
  });
});

describe("what was edited is read again when a cell imports it again", () => {
  test.each([
    ["a0.ts", "export const value = 1;", "export const value = 2;"],
    ["a1.mts", "export const value = 1;", "export const value = 2;"],
    ["a2.tsx", "export const value = 1;", "export const value = 2;"],
    ["a3.js", "export const value = 1;", "export const value = 2;"],
    ["a4.mjs", "export const value = 1;", "export const value = 2;"],
    ["a5.cjs", "exports.value = 1;", "exports.value = 2;"],
    ["b.js", "exports.value = 1;", "exports.value = 2;"],
    ["a.json", '{ "value": 1 }', '{ "value": 2 }'],
    ["changes.js", "exports.value = 1;", "export const value = 2;"],
    ["back.js", "export const value = 1;", "exports.value = 2;"],
  ])("%s, itself, and what imports it", async (name, before, after) => {
    write(name, before);
    write(`via-${name}.ts`, `import { value } from "./${name}"; export const via = value * 10;`);
    const read = `import { value } from "./${name}"; import { via } from "./via-${name}.ts"; [value, via]`;
    const source = name.endsWith(".json")
      ? read.replace("{ value }", "whole").replace("[value,", "[whole.value,")
      : read;
    if (name.endsWith(".json")) {
      write(`via-${name}.ts`, `import whole from "./${name}"; export const via = whole.value * 10;`);
    }
    expect(await cells.text(source)).toBe("[ 1, 10 ]");
    write(name, after);
    expect(await cells.text(source)).toBe("[ 2, 20 ]");
  });

  test.each([
    ["c.cjs", "exports.value = 1;", "exports.value = 2;"],
    ["c.json", '{ "value": 1 }', '{ "value": 2 }'],
  ])("%s, required by a cell, and by a file that a cell requires", async (name, before, after) => {
    write(name, before);
    write(`via-${name}.cjs`, `exports.via = require("./${name}").value * 10;`);
    const read = `[require("./${name}").value, require("./via-${name}.cjs").via]`;
    expect(await cells.text(read)).toBe("[ 1, 10 ]");
    write(name, after);
    expect(await cells.text(read)).toBe("[ 2, 20 ]");
  });

  test.each(["d.mjs", "d.cjs", "d.json"])("%s, by a name that is computed", async (name) => {
    const text = (value: number): string => {
      if (name.endsWith("json")) return `{ "value": ${value} }`;
      return name.endsWith(".cjs") ? `exports.value = ${value};` : `export const value = ${value};`;
    };
    const read = `const d: any = await import("./" + ${JSON.stringify(name)}); (d.default ?? d).value`;
    write(name, text(1));
    expect(await cells.text(read)).toBe("1");
    write(name, text(2));
    expect(await cells.text(read)).toBe("2");
  });

  test("and what was not is not run again", async () => {
    write("once.cjs", "console.log('runs'); exports.value = 1;");
    expect((await cells.run('import { value } from "./once.cjs"; value')).output.stdout).toBe("runs\n");
    expect((await cells.run('import { value } from "./once.cjs"; value')).output.stdout).toBe("");
  });
});

test("import attributes", async () => {
  write("data.json", '{ "value": 5 }');
  expect(await cells.text('import data from "./data.json" with { type: "json" }; data.value')).toBe("5");
  expect(await cells.text('(await import("./data.json", { with: { type: "json" } })).default.value')).toBe("5");
  write("reads.ts", 'import data from "./data.json" with { type: "json" };\nexport const read = data.value + 1;');
  expect(await cells.text('import { read } from "./reads.ts"; read')).toBe("6");
  expect(await cells.text("`import x from 'a' with { type: 'b' }`")).toBe("\"import x from 'a' with { type: 'b' }\"");
});

test("of two files, .js means the TypeScript that it is made from, as TypeScript has it", async () => {
  write("made.js", "export const from = 'js';");
  write("made.ts", "export const from: string = 'ts';");
  expect(await cells.text('import { from } from "./made.js"; from')).toBe("'ts'");
});

test("a file knows where it is", async () => {
  write("lib/where.ts", "export const { url, filename, dirname } = import.meta;\nexport const short = __filename;");
  expect(
    await cells.text(
      'import * as where from "./lib/where.ts"; [where.url, where.filename, where.dirname, where.short].map((path) => path.replace(process.cwd(), ""))',
    ),
  ).toBe("[ 'file:///lib/where.ts', '/lib/where.ts', '/lib', '/lib/where.ts' ]");
  write("lib/beside.cjs", "module.exports = 'beside';");
  write("lib/requires.ts", "export const beside = require('./beside.cjs');");
  expect(await cells.text('import { beside } from "./lib/requires.ts"; beside')).toBe("'beside'");
  expect(await cells.text("__dirname === process.cwd() && __filename.startsWith(__dirname)")).toBe("true");
});

test("errors in every kind of file lead to its own lines", async () => {
  for (const name of ["throw1.ts", "throw2.mts", "throw3.mjs", "throw4.tsx", "throw5.js", "throw6.jsx"]) {
    write(name, "export const fine = 1;\n\nexport function fail() { throw new Error('here') }");
    const { plain } = await cells.failure(`import { fail } from "./${name}"; fail()`);
    expect(plain).toContain(`${name}:3:32`);
  }
});
