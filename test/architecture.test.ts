/** @file The layout's promises: imports point one way, and foreign APIs are met in one file each. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { packageFolder } from "../src/version.ts";

/** From the outermost to the innermost; a folder may import from itself and from those after it. */
const LAYERS = [
  ["kernel"],
  ["magics"],
  ["src/api"],
  ["src/engine", "src/knowledge"],
  ["src/train", "src/generate"],
  ["src/adapters"],
  ["src/held"],
  ["src/weights"],
  ["src/models"],
  ["src/graph", "src/hub"],
] as const;

/** The one file that may import each of these packages. */
const QUARANTINE: Readonly<Record<string, string>> = {
  "onnxruntime-node": "src/backend/onnxruntime.ts",
  zeromq: "src/rpc/sockets.ts",
  tslab: "kernel/tslab.ts",
};

const files = ["kernel", "magics", "src"].flatMap((folder) =>
  readdirSync(join(packageFolder, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => `${folder}/${name.split(sep).join("/")}`),
);

/** Static and dynamic imports, re-exports and requires. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(packageFolder, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const pattern = /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+|\brequire(?:\.resolve)?\(\s*)"([^"\n]+)"/g;
  return [...text.matchAll(pattern)].map((match) => match[1] as string);
}

const layerOf = (file: string): number =>
  LAYERS.findIndex((folders) => folders.some((folder) => file.startsWith(`${folder}/`)));

describe("architecture", () => {
  it("finds the files and their imports", () => {
    expect(files).toContain("src/backend/onnxruntime.ts");
    expect(importsOf("src/backend/onnxruntime.ts")).toContain("onnxruntime-node");
  });

  it("imports point inwards", () => {
    const wrong = files.flatMap((file) =>
      importsOf(file).flatMap((name) => {
        if (!name.startsWith(".")) return [];
        const target = relative(packageFolder, resolve(packageFolder, dirname(file), name))
          .split(sep)
          .join("/");
        const [from, to] = [layerOf(file), layerOf(target)];
        // The public map, and small files of no layer, may be imported by all that may import the library.
        if (to < 0 || from < 0) return to < 0 || target.startsWith("src/") ? [] : [`${file} -> ${target}`];
        const sameRank = from === to && file.split("/")[1] !== target.split("/")[1] && file.startsWith("src/");
        return to < from || sameRank ? [`${file} -> ${target}`] : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(QUARANTINE))("only one file imports %s", (name, only) => {
    const users = files.filter((file) => importsOf(file).some((used) => used === name || used.startsWith(`${name}/`)));
    expect(users).toEqual([only]);
  });
});
