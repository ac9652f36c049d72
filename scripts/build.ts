/** @file Builds dist when a source is newer: tests and demos run the same files as users do. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { packageFolder } from "../src/version.ts";

const code = ["src", "kernel", "magics", "scripts", "bench", "test/kernel/client.ts"];
const sources = [...code, "package.json", "tsconfig.json", "tsconfig.build.json"];
const dist = join(packageFolder, "dist");
const stamp = join(dist, ".built");
const lock = join(dist, ".building");
/** Milliseconds after which a lock is taken to be left over from a build that was killed. */
const LOCK_AGE = 60_000;

/**
 * Compiles if anything has changed. Type errors are mentioned but do not stop it: `npm run check` is what judges types.
 * @throws Error when the compiler did not run
 */
export async function ensureBuilt(): Promise<void> {
  mkdirSync(dist, { recursive: true });
  while (modified(stamp) < newest()) {
    if (!tryLock()) {
      await setTimeout(100);
      continue;
    }
    try {
      build();
    } finally {
      rmSync(lock, { force: true });
    }
  }
}

function build(): void {
  const started = new Date();
  const compiler = join(packageFolder, "node_modules", "typescript", "bin", "tsc");
  const project = join(packageFolder, "tsconfig.build.json");
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [compiler, "-p", project], {
    encoding: "utf8",
  });
  if (status === null) throw new Error(`The TypeScript compiler did not run to its end. ${stderr}`, { cause: error });
  if (status !== 0) console.error(`Built in spite of type errors, the first being: ${stdout.split("\n")[0]}`);
  writeFileSync(stamp, "");
  // What was changed while the compiler ran is newer than this.
  utimesSync(stamp, started, started);
}

function tryLock(): boolean {
  if (Date.now() - modified(lock) > LOCK_AGE) rmSync(lock, { force: true });
  try {
    closeSync(openSync(lock, "wx"));
    return true;
  } catch {
    return false;
  }
}

/** When the youngest source was written, in milliseconds. */
function newest(): number {
  let time = 0;
  for (const source of sources) {
    const path = join(packageFolder, source);
    time = Math.max(time, modified(path));
    if (!statSync(path).isDirectory()) continue;
    for (const entry of readdirSync(path, { recursive: true, encoding: "utf8" })) {
      if (/\.(ts|json)$/.test(entry)) time = Math.max(time, modified(join(path, entry)));
    }
  }
  return time;
}

/** 0 for what is not there. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
