/** @file Library declarations mean the same without their comments, and ours are understood by the cells' TypeScript. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "@tslab/typescript-for-tslab";
import { expect, test } from "vitest";
import { offsetWithComments, withoutComments } from "../../kernel/sourcefiles.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const require = createRequire(import.meta.url);
const nodeTypes = dirname(require.resolve("@types/node/package.json"));
const fetchTypes = dirname(createRequire(join(nodeTypes, "index.d.ts")).resolve("undici-types/package.json"));

/** Kinds and ends of all nodes but the end of the file, which owns what trails it. */
function shape(text: string): { kinds: number[]; ends: number[] } {
  const file = ts.createSourceFile("x.d.ts", text, ts.ScriptTarget.ES2022, true);
  const [kinds, ends]: [number[], number[]] = [[], []];
  const visit = (node: ts.Node): void => {
    if (node.kind !== ts.SyntaxKind.EndOfFileToken) {
      kinds.push(node.kind);
      ends.push(node.end);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { kinds: kinds.slice(1), ends: ends.slice(1) };
}

test("dropping comments changes nothing else, and every place is found again", () => {
  const folders = [nodeTypes, fetchTypes, dirname(require.resolve("@tslab/typescript-for-tslab"))];
  const files = folders.flatMap((folder) => {
    const names = readdirSync(folder, { recursive: true }).map(String);
    return names
      .filter((name) => /(^|\/)(?!typescript|tsserver)[^/]*\.d\.ts$/.test(name))
      .map((name) => join(folder, name));
  });
  expect(files.length).toBeGreaterThan(100);
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const [whole, dropped] = [shape(text), shape(withoutComments(text))];
    expect(dropped.kinds.join() === whole.kinds.join(), file).toBe(true);
    const every = Math.ceil(whole.ends.length / 50);
    for (let index = 0; index < whole.ends.length; index += every) {
      expect(offsetWithComments(text, dropped.ends[index] ?? 0), file).toBe(whole.ends[index]);
    }
  }
}, 120_000);

test("our declarations have no errors in the TypeScript that cells are compiled with", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, { types: string }>;
  };
  const files = Object.values(exports).map(({ types }) => join(root, types));
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts"],
    noEmit: true,
    typeRoots: [dirname(nodeTypes)],
    types: ["node"],
  });
  const diagnostics = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file?.fileName.startsWith(root) && !file.fileName.includes("node_modules"));
  expect(
    diagnostics.map((d) => `${d.file?.fileName}:${d.start} ${ts.flattenDiagnosticMessageText(d.messageText, "\n")}`),
  ).toEqual([]);
}, 120_000);
