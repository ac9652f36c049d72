/** @file The Chinese README says what the English one does: the same sections, commands, code and links, in the same order. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageFolder } from "../../src/version.ts";

const [english, chinese] = ["README.md", "README.zh-CN.md"].map((name) =>
  readFileSync(join(packageFolder, name), "utf8"),
) as [string, string];

const BLOCKS = /^```[^\n]*\n.*?^```$/gms;
/** Levels of the headings that are no comments in code. */
const levels = (text: string): string[] => text.replace(BLOCKS, "").match(/^#+(?= )/gm) ?? [];
/** Where links lead, but for those from one to the other. */
const links = (text: string): string[] =>
  [...text.replace(BLOCKS, "").matchAll(/\]\(([^)]+)\)/g)]
    .map(([, to = ""]) => to)
    .filter((to) => !to.startsWith("README"));
/** Options, commands and variables that are named in running text. */
const named = (text: string): string[] => [
  ...new Set([...text.matchAll(/`(%{1,2}\w+|--[\w-]+|GLMLAB_\w+|npm [\w ]+)/g)].map(([, name = ""]) => name)),
];

test("has the same sections", () => {
  expect(levels(chinese)).toEqual(levels(english));
  expect(levels(chinese).length).toBeGreaterThan(8);
});

test("has the same code, to the letter", () => {
  expect(chinese.match(BLOCKS)).toEqual(english.match(BLOCKS));
});

test("leads to the same places, all of which are there", () => {
  const places = [...new Set(links(english))];
  expect([...new Set(links(chinese))].sort()).toEqual(places.sort());
  const files = places.filter((to) => !to.includes("://")).map((to) => to.split("#")[0] ?? "");
  expect(files.filter((file) => !existsSync(join(packageFolder, file)))).toEqual([]);
  expect(english).toContain("](README.zh-CN.md)");
  expect(chinese).toContain("](README.md)");
});

test("names the same commands and options", () => {
  expect(named(chinese).sort()).toEqual(named(english).sort());
});
