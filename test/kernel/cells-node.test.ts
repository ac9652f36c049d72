/** @file The language of cells is as new as the Node that runs them: no name, member or module of Node's is refused. */
import { builtinModules } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
});
afterAll(() => cells.stop());

const isName = (name: string): boolean => /^[A-Za-z$][\w$]*$/.test(name);

/** Those of the expressions that do not compile. Nothing of them is run. */
async function refused(expressions: readonly string[]): Promise<string[]> {
  const lines = expressions.map((expression) => `  void ${expression};`);
  const { outcome } = await cells.run(`async function unused() {\n${lines.join("\n")}\n}`);
  if (outcome.status === "ok") return [];
  const places = outcome.traceback.join("\n").matchAll(/Cell \[\d+\]:(\d+):/g);
  return [...new Set([...places].map(([, line]) => expressions[Number(line) - 2] ?? `line ${line}`))];
}

test("every global name", async () => {
  // What Node has, not what the test runner adds.
  const listed = await cells.text("Object.getOwnPropertyNames(globalThis).join(' ')");
  const names = String(listed).slice(1, -1).split(" ").filter(isName);
  expect(names.length).toBeGreaterThan(100);
  expect(await refused(names)).toEqual([]);
});

test("every member of JavaScript's own classes and objects", async () => {
  const owners = Object.getOwnPropertyNames(globalThis).filter((name) => {
    const value: unknown = Reflect.get(globalThis, name);
    const isNative = typeof value === "function" && /\[native code\]/.test(Function.prototype.toString.call(value));
    return isNative && /^[A-Z]/.test(name) && isName(name);
  });
  const members = [...owners, "Math", "JSON", "Reflect", "Atomics", "Intl", "WebAssembly"].flatMap((owner) => {
    const value = Reflect.get(globalThis, owner) as object & { prototype?: object };
    const own = Object.getOwnPropertyNames(value).map((name) => `${owner}.${name}`);
    const shared = Object.getOwnPropertyNames(value.prototype ?? {}).map((name) => `${owner}.prototype.${name}`);
    return [...own, ...shared].filter((path) => path.split(".").every(isName));
  });
  expect(members).toContain("Array.prototype.toSorted");
  expect((await refused(members)).filter((path) => !/\.(arguments|caller)$/.test(path))).toEqual([]);
});

test("every module of Node's", async () => {
  const names = builtinModules.filter((name) => !name.startsWith("_")).map((name) => name.replace(/^node:/, ""));
  expect(await refused(names.flatMap((name) => [`import("node:${name}")`]))).toEqual([]);
});

describe("and they have types", () => {
  test.each([
    ["crypto.randomUUID().length", "36"],
    ["[3, 1, 2].toSorted().with(0, 9).toReversed().toSpliced(0, 1).join()", "'2,9'"],
    ["(['b', 'a'] as readonly string[]).toSorted()[0].toUpperCase()", "'A'"],
    ["new Float32Array([2, 1]).toSorted((a, b) => a - b).with(1, 5).join()", "'1,5'"],
    ["[1, 2, 3].findLast((x) => x < 3)!.toFixed(1)", "'2.0'"],
    ["'a\\ud800'.isWellFormed() || 'a\\ud800'.toWellFormed().codePointAt(1)", "65533"],
    ["new File(['abc'], 'a.txt').size", "3"],
    ["new WebAssembly.Memory({ initial: 1 }).buffer.byteLength", "65536"],
    [
      "(await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))).instance.exports",
      "[Object: null prototype] {}",
    ],
    ["const grows = new ArrayBuffer(1, { maxByteLength: 4 }); grows.resize(3); grows.byteLength", "3"],
    ["const plain: ArrayBuffer = new Uint8Array([1]).buffer; plain.byteLength", "1"],
    ["/[\\p{L}--[a-z]]/v.unicodeSets", "true"],
    ["Intl.supportedValuesOf('unit').includes('byte')", "true"],
    ["import.meta.dirname === process.cwd()", "true"],
    ["import.meta.filename.startsWith(import.meta.dirname)", "true"],
    ["import.meta.resolve('./a.ts') === new URL('a.ts', import.meta.url).href", "true"],
    ["import.meta.resolve('fs')", "'node:fs'"],
    [
      "const key: CryptoKey = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']) as CryptoKey; key.type",
      "'secret'",
    ],
  ])("%s", async (code, text) => {
    expect(await cells.text(code)).toBe(text);
  });

  test.each([
    ["crypto.randomUUID().size", "TS2339"],
    ["[1].toSorted('x')", "TS2345"],
    ["const wrong: number[] = 'a'.isWellFormed()", "TS2322"],
    ["new WebAssembly.Memory()", "TS2554"],
    ["new File()", "TS2554"],
  ])("%s is refused", async (code, fault) => {
    expect((await cells.failure(code)).plain).toContain(fault);
  });
});
