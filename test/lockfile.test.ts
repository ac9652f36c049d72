/** @file The lockfile: made for every platform, so that `npm ci` installs the same on all of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageFolder } from "../src/version.ts";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = <T>(name: string): T => JSON.parse(readFileSync(join(packageFolder, name), "utf8")) as T;
const { packages } = read<{ packages: Readonly<Record<string, Locked>> }>("package-lock.json");

/** Where Node looks for a package from a folder of the lockfile: nearest first. */
function placesOf(folder: string, name: string): string[] {
  const parts = folder === "" ? [] : folder.split("/node_modules/");
  const above = parts.map((_, i) => `${parts.slice(0, i + 1).join("/node_modules/")}/node_modules/${name}`).reverse();
  return [...above, `node_modules/${name}`];
}

it("holds what every package needs, the builds of other platforms included", () => {
  const missing = Object.entries(packages).flatMap(([folder, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !placesOf(folder, name).some((place) => place in packages))
      .map((name) => `${name}, of ${folder || "this package"}`),
  );
  expect(missing).toEqual([]);
  for (const system of ["darwin-arm64", "win32-x64", "linux-arm64"]) {
    expect(packages).toHaveProperty([`node_modules/@biomejs/cli-${system}`, "version"]);
  }
});

it("checks every package that is fetched", () => {
  const unchecked = Object.entries(packages).filter(([folder, { integrity }]) => folder !== "" && !integrity);
  expect(unchecked.map(([folder]) => folder)).toEqual([]);
});

it("pins the versions that package.json asks for", () => {
  const own = read<Locked & { devDependencies: Readonly<Record<string, string>> }>("package.json");
  for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies })) {
    expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
  }
});
