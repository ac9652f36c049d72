/** @file Completes the names of modules in import statements. */
import { readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import type { Completion } from "./language.ts";

const BEFORE = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*["']([^"'\n]*)$/;

/** Undefined where the cursor is not in a module's name. Local files come as they are imported: with their extension. */
export function completeSpecifier(code: string, cursor: number, cwd: string): Completion | undefined {
  const typed = BEFORE.exec(code.slice(0, cursor))?.[1];
  if (typed === undefined) return undefined;
  const end = cursor + (/^[^"'\n]*/.exec(code.slice(cursor))?.[0].length ?? 0);
  const names = typed.startsWith(".") ? localFiles(typed, cwd) : moduleNames(cwd);
  return { matches: names.filter((name) => name.startsWith(typed)), start: cursor - typed.length, end };
}

function moduleNames(cwd: string): string[] {
  const packages: string[] = [];
  for (let folder = cwd; ; folder = dirname(folder)) {
    packages.push(...packagesIn(join(folder, "node_modules")));
    if (folder === dirname(folder)) break;
  }
  const builtin = builtinModules.filter((name) => !name.startsWith("_"));
  return [
    ...new Set(["glmlab", "glmlab/magics", "tslab", ...packages, ...builtin.map((name) => `node:${name}`), ...builtin]),
  ];
}

function packagesIn(folder: string): string[] {
  return entries(folder).flatMap(({ name }) => {
    if (name.startsWith(".") || name === "@types") return [];
    return name.startsWith("@") ? entries(join(folder, name)).map((scoped) => `${name}/${scoped.name}`) : [name];
  });
}

function localFiles(typed: string, cwd: string): string[] {
  const folder = typed.slice(0, typed.lastIndexOf("/") + 1) || "./";
  return entries(join(cwd, folder)).flatMap((entry) => {
    if (entry.name.startsWith(".") || entry.name === "node_modules") return [];
    if (entry.isDirectory()) return [`${folder}${entry.name}/`];
    return /\.([cm]?[jt]s|tsx|jsx|json)$/.test(entry.name) ? [folder + entry.name] : [];
  });
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
