/** @file Loads one large CommonJS file from V8's code cache: parsing TypeScript's 9 MB anew costs 0.1 s at each start. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Script } from "node:vm";

const pending: { readonly script: Script; readonly file: string }[] = [];

/**
 * Like `require(file)` for a file without dependencies of its own. A cache that is missing, stale or of another V8 is
 * ignored; writeCaches() makes a new one.
 */
export function requireCached(file: string): unknown {
  const require = createRequire(file);
  const loaded = require.cache[file];
  if (loaded) return loaded.exports;
  const source = readFileSync(file, "utf8");
  const cacheFile = cachePath(file);
  const cachedData = readIfThere(cacheFile);
  const script = new Script(Module.wrap(source), { filename: file, ...(cachedData && { cachedData }) });
  if (!cachedData || script.cachedDataRejected) pending.push({ script, file: cacheFile });
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  const run = script.runInThisContext() as (...args: unknown[]) => void;
  run.call(module.exports, module.exports, require, module, file, dirname(file));
  module.loaded = true;
  return module.exports;
}

/** Saves the code of what requireCached() had to compile, with the functions that have run by now. Never throws. */
export function writeCaches(): void {
  for (const { script, file } of pending.splice(0)) {
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const aside = `${file}.${process.pid}`;
      writeFileSync(aside, script.createCachedData());
      renameSync(aside, file);
    } catch {
      // A read-only home or a full disk: the next start is slower, nothing else.
    }
  }
}

/** Named by everything that decides whether the cache fits: V8 checks its own version and flags besides. */
function cachePath(file: string): string {
  const { size, mtimeMs } = statSync(file);
  const key = [file, size, mtimeMs, process.version, process.arch].join("\n");
  const name = createHash("sha256").update(key).digest("hex").slice(0, 32);
  return join(cacheFolder(), "code", `${name}.bin`);
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "glmlab");
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
