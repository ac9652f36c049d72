/** @file The layout's promises: imports point one way and in no circle, and foreign APIs are met in one file each. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { packageFolder } from "../src/version.ts";

/** From the outermost to the innermost; a room may import from itself and from rooms after its line. */
const ROOMS = [
  ["kernel"],
  ["magics"],
  ["src/api"],
  ["src/runtime"],
  ["src/rpc"],
  ["src/engine", "src/knowledge"],
  ["src/torchrun"],
  ["src/train", "src/generate"],
  ["src/adapters", "src/quantization", "src/data"],
  ["src/weights", "src/text", "src/hub", "src/scores"],
  ["src/models"],
  ["src/backend"],
  ["src/graph"],
  ["src"],
] as const;

/** The one file that may import each of these packages. */
const QUARANTINE: Readonly<Record<string, string>> = {
  "onnxruntime-node": "src/backend/onnxruntime.ts",
  zeromq: "src/rpc/sockets.ts",
  tslab: "kernel/tslab.ts",
  "@node-rs/jieba": "src/scores/segment.ts",
};

const DEVICES = ["src/backend/cpu.ts", "src/backend/machine.ts", "src/backend/webgpu.ts"];
/** Who decides which device a model runs on: everybody else is handed one. */
const CHOOSES_DEVICE = [
  "src/api/devices.ts",
  "src/api/engines.ts",
  "src/runtime/cli.ts",
  "src/runtime/model-worker.ts",
  "src/runtime/workers.ts",
];

/** What users import, and what they are told to: the whole library, from above. */
const MAP = "src/index.ts";

const filesIn = (folders: readonly string[]): string[] =>
  folders.flatMap((folder) =>
    readdirSync(join(packageFolder, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
      .map((name) => `${folder}/${name.split(sep).join("/")}`),
  );

const codeOf = (file: string): string =>
  readFileSync(join(packageFolder, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

/** Static and dynamic imports, re-exports and requires, of types too. */
function importsOf(file: string): string[] {
  const pattern = /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+|\brequire(?:\.resolve)?\(\s*)"([^"\n]+)"/g;
  return [...codeOf(file).matchAll(pattern)].map((match) => match[1] as string);
}

/** The project's own files among them. */
const ownImports = (file: string): string[] =>
  importsOf(file)
    .filter((name) => name.startsWith("."))
    .map((name) =>
      relative(packageFolder, resolve(packageFolder, dirname(file), name))
        .split(sep)
        .join("/"),
    );

const shipped = filesIn(["kernel", "magics", "src"]);

/** A file's room, and how far in it lies; a name with one slash lies in src itself. */
function roomOf(file: string): { readonly name: string; readonly depth: number } {
  const name = file.startsWith("src/") ? dirname(file).split("/").slice(0, 2).join("/") : file.split("/")[0];
  const depth = ROOMS.findIndex((rooms) => rooms.some((room) => room === name));
  return { name: name ?? "", depth };
}

/** Files that import each other, however far around: each group once. */
function circles(files: readonly string[]): string[][] {
  const known = new Map(files.map((file) => [file, ownImports(file)]));
  const reached = new Map<string, Set<string>>();
  const reach = (from: string): Set<string> => {
    const seen = new Set<string>();
    const open = [from];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      for (const next of known.get(file) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(next);
      }
    }
    return seen;
  };
  for (const file of files) reached.set(file, reach(file));
  const inCircle = files.filter((file) => reached.get(file)?.has(file));
  const groups = inCircle.map((file) =>
    inCircle.filter((other) => reached.get(file)?.has(other) && reached.get(other)?.has(file)),
  );
  return [...new Map(groups.map((group) => [group.join(), group])).values()];
}

describe("architecture", () => {
  it("finds the files, their imports and their rooms", () => {
    expect(shipped).toContain("src/backend/onnxruntime.ts");
    expect(importsOf("src/backend/onnxruntime.ts")).toContain("onnxruntime-node");
    expect(ownImports("src/engine/local.ts")).toContain("src/errors.ts");
    expect(shipped.filter((file) => roomOf(file).depth < 0)).toEqual([]);
  });

  it("imports point inwards", () => {
    const wrong = shipped.flatMap((file) => {
      if (file === MAP) return [];
      const from = roomOf(file);
      return ownImports(file).flatMap((target) => {
        // Magics and kernel use the library as users do, by its map.
        if (target === MAP) return from.depth < 2 ? [] : [`${file} -> ${target}`];
        const to = roomOf(target);
        return to.name === from.name || to.depth > from.depth ? [] : [`${file} -> ${target}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  it("imports run in no circle, those of types neither", () => {
    expect(circles([...shipped, ...filesIn(["bench", "scripts"])])).toEqual([]);
  });

  it.each(Object.entries(QUARANTINE))("only one file imports %s", (name, only) => {
    const users = shipped.filter((file) =>
      importsOf(file).some((used) => used === name || used.startsWith(`${name}/`)),
    );
    expect(users).toEqual([only]);
  });

  it("what is exported is named by another file", () => {
    const files = [...shipped, ...filesIn(["bench", "scripts", "test"])];
    const words = new Map(files.map((file) => [file, new Set(codeOf(file).match(/[\w$]+/g))]));
    const idle = files.flatMap((file) => {
      const values = codeOf(file).matchAll(/^export (?:async )?(?:const|let|function\*?|class) ([\w$]+)/gm);
      return [...values].flatMap(([, name = ""]) =>
        files.some((other) => other !== file && words.get(other)?.has(name)) ? [] : [`${file}: ${name}`],
      );
    });
    expect(idle).toEqual([]);
  });

  it("who computes is handed a device", () => {
    const users = shipped.filter(
      (file) => roomOf(file).name !== "src/backend" && ownImports(file).some((target) => DEVICES.includes(target)),
    );
    expect(users).toEqual(CHOOSES_DEVICE);
  });
});
