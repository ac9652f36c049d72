/** @file The version of this package, as its package.json gives it. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the package: the nearest one above this file with a package.json (sources and build lie at different depths). */
export const packageFolder: string = nearestPackage(dirname(fileURLToPath(import.meta.url)));

export const version: string = readVersion();

function nearestPackage(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const above = dirname(folder);
  if (above === folder)
    throw new Error(`${fileURLToPath(import.meta.url)} is not inside the glmlab package: no package.json above it`);
  return nearestPackage(above);
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  throw new Error(`${join(packageFolder, "package.json")} has no version`);
}
