/** @file What cells can import, with types: glmlab itself, packages, global packages, local files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

const root = mkdtempSync(join(tmpdir(), "modules-"));
let cells: CellProcess;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function writePackage(path: string, manifest: object, files: Readonly<Record<string, string>>): void {
  write(join(path, "package.json"), JSON.stringify({ version: "1.0.0", ...manifest }));
  for (const [name, text] of Object.entries(files)) write(join(path, name), text);
}

beforeAll(async () => {
  const esm = {
    name: "esm",
    type: "module",
    exports: { ".": { types: "./index.d.ts", import: "./index.js" }, "./sub": "./sub.js" },
  };
  writePackage("notebook/node_modules/esm", esm, {
    "index.js": "export const answer = await Promise.resolve(42); export default class Thing {}",
    "index.d.ts": "export declare const answer: number; export default class Thing {}",
    "sub.js": "export const sub = 'sub';",
    "sub.d.ts": "export declare const sub: string;",
  });
  writePackage(
    "notebook/node_modules/cjs",
    { name: "cjs", main: "index.js", types: "index.d.ts" },
    {
      "index.js": "const api = {}; for (const name of ['alpha', 'beta']) api[name] = () => name; module.exports = api;",
      "index.d.ts": "export declare function alpha(): string; export declare function beta(): string;",
    },
  );
  writePackage(
    "notebook/node_modules/transpiled",
    { name: "transpiled" },
    {
      "index.js": "exports.__esModule = true; exports.default = 'the default'; exports.named = 1;",
      "index.d.ts": "declare const text: string; export default text; export declare const named: number;",
    },
  );
  writePackage(
    "notebook/node_modules/untyped",
    { name: "untyped" },
    { "index.js": "module.exports = function untyped() { return 'u' };" },
  );
  writePackage(
    "global/node_modules/everywhere",
    { name: "everywhere", types: "index.d.ts" },
    {
      "index.js": "exports.place = 'global';",
      "index.d.ts": "export declare const place: string;",
    },
  );
  write("shared.ts", "export const above: string = 'above';");
  mkdirSync(join(root, "notebook/lib"), { recursive: true });
  cells = await CellProcess.start({ NODE_PATH: join(root, "global/node_modules") }, join(root, "notebook"));
}, 60_000);

afterAll(() => {
  cells.stop();
  rmSync(root, { recursive: true, force: true });
});

describe("glmlab", () => {
  test("is found without any node_modules, has types, and is the kernel's own instance", async () => {
    const empty = await CellProcess.start();
    try {
      expect(await empty.text('import { ambient } from "glmlab"; typeof ambient().frontend!.write')).toBe("'function'");
      expect((await empty.failure('import { ambient as a } from "glmlab"; a(1)')).plain).toContain("TS2554");
      expect((await empty.failure('import { nope } from "glmlab"')).plain).toContain("TS2305");
      expect(await empty.text('import * as magics from "glmlab/magics"; typeof magics')).toBe("'object'");
      expect(await empty.text("(await import('glmlab')).ambient === ambient")).toBe("true");
    } finally {
      empty.stop();
    }
  });

  test.each([
    ["imported where it is used", 'const read = await (await import("glmlab")).loadTokenizer("tiny")'],
    [
      "imported before, awaited in brackets",
      'import { loadTokenizer } from "glmlab"; let read = await (loadTokenizer("tiny"))',
    ],
  ])("has types that only it can name: %s", async (_, code) => {
    await cells.run(code);
    expect(await cells.text("read.encode('你好').length > 0")).toBe("true");
    expect((await cells.failure("read.encode(1)")).plain).toContain("TS2345");
  });

  test("every type that a cell can infer is understood by the converter's TypeScript", async () => {
    await cells.text('import * as glmlab from "glmlab"');
    const { matches } = await cells.complete("glmlab.");
    expect(matches.length).toBeGreaterThan(5);
  });
});

describe("packages of the notebook's folder", () => {
  test("ES modules with top-level await, exports and subpaths", async () => {
    expect(await cells.text('import Thing, { answer } from "esm"; [answer, new Thing()]')).toBe("[ 42, Thing {} ]");
    expect(await cells.text('import { sub } from "esm/sub"; sub.length')).toBe("3");
    expect((await cells.failure("const s: string = answer")).plain).toContain("TS2322");
    expect(await cells.text('(await import("esm")).answer')).toBe("42");
  });

  test("CommonJS, with names that Node does not see, as default and whole", async () => {
    expect(await cells.text('import { alpha, beta } from "cjs"; alpha() + beta()')).toBe("'alphabeta'");
    expect(await cells.text('import * as whole from "cjs"; whole.beta()')).toBe("'beta'");
    expect(await cells.text('import cjs from "cjs"; cjs.alpha()')).toBe("'alpha'");
    expect(await cells.text('import text, { named } from "transpiled"; [text, named]')).toBe("[ 'the default', 1 ]");
    expect(await cells.text('require("cjs").alpha()')).toBe("'alpha'");
  });

  test("without types", async () => {
    expect(await cells.text('import untyped from "untyped"; untyped()')).toBe("'u'");
  });

  test("that are missing", async () => {
    expect((await cells.failure('import x from "not-there"')).plain).toContain("TS2307");
    expect((await cells.failure('await import("not" + "-there")')).message).toContain("not-there");
  });

  test("that are installed while the notebook runs", async () => {
    expect((await cells.failure('import { fresh } from "fresh"')).plain).toContain("TS2307");
    writePackage(
      "notebook/node_modules/fresh",
      { name: "fresh", types: "index.d.ts" },
      {
        "index.js": "exports.fresh = 1;",
        "index.d.ts": "export declare const fresh: number;",
      },
    );
    expect(await cells.text('import { fresh } from "fresh"; fresh')).toBe("1");
  });
});

test("NODE_PATH", async () => {
  expect(await cells.text('import { place } from "everywhere"; place')).toBe("'global'");
  expect((await cells.failure("const n: number = place")).plain).toContain("TS2322");
});

describe("Node's own modules", () => {
  test.each([
    'import { readFileSync } from "fs"; typeof readFileSync',
    'import fs from "node:fs"; typeof fs.readFileSync',
    'import * as path from "node:path"; typeof path.join',
    'const os = await import("node:os"); typeof os.cpus',
    'typeof require("os").cpus',
    'import timers from "node:timers"; typeof timers.clearTimeout',
  ])("%s", async (code) => {
    expect(await cells.text(code)).toBe("'function'");
  });
});

describe("local files", () => {
  test("TypeScript, with and without extension, and what they import", async () => {
    write("notebook/lib/deep.ts", "export const deep: number = 1;");
    write(
      "notebook/local.ts",
      'import { deep } from "./lib/deep.ts"; export let local = deep + 1; export type Local = number;',
    );
    expect(await cells.text('import { local, type Local } from "./local.ts"; const l: Local = local; l')).toBe("2");
    expect(await cells.text('import { local as again } from "./local"; again')).toBe("2");
    expect(await cells.text('(await import("./local.ts")).local')).toBe("2");
  });

  test("are run anew after they have changed, and so are those that import them", async () => {
    write("notebook/lib/deep.ts", "export const deep: number = 10; // longer than before");
    expect(await cells.text('import { local as changed } from "./local.ts"; changed')).toBe("11");
  });

  test("that import each other", async () => {
    write("notebook/ping.ts", 'import { pong } from "./pong.ts"; export const ping = () => 1 + pong();');
    write(
      "notebook/pong.ts",
      'import { ping } from "./ping.ts"; export const pong = () => (typeof ping === "function" ? 1 : 0);',
    );
    expect(await cells.text('import { ping } from "./ping.ts"; ping()')).toBe("2");
  });

  test("JavaScript, ES modules, JSON, and files above the folder", async () => {
    write("notebook/plain.js", "export const plain = 'js';");
    write("notebook/native.mjs", "export const native = 'mjs';");
    write("notebook/data.json", '{ "value": 5 }');
    expect(await cells.text('import { plain } from "./plain.js"; plain')).toBe("'js'");
    expect(await cells.text('import { native } from "./native.mjs"; native')).toBe("'mjs'");
    expect(await cells.text('import data from "./data.json"; data.value')).toBe("5");
    expect(await cells.text('import { above } from "../shared.ts"; above')).toBe("'above'");
  });

  test("import.meta.url is in the notebook's folder", async () => {
    expect(await cells.text("new URL('.', import.meta.url).pathname.endsWith('/notebook/')")).toBe("true");
  });
});
