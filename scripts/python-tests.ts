/** @file Tests that compare with Python's libraries: in a Python environment of their own, by a configuration of their own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cacheFolder } from "../src/folders.ts";
import { packageFolder } from "../src/version.ts";
import { ensureEnvironment } from "./python.ts";

export interface PythonTests {
  /** In `test`, with requirements.txt and vitest.config.ts. */
  readonly folder: string;
  /** Names the Python that tests run; given, it must have what requirements.txt names, else one is made once. */
  readonly variable: string;
  /** What the environment is called in the cache. */
  readonly environment: string;
  readonly what: string;
  readonly size: string;
}

/** Runs them with this process's arguments; its exit code is theirs. */
export async function runPythonTests({ folder, variable, environment, what, size }: PythonTests): Promise<void> {
  const tests = join(packageFolder, "test", folder);
  const made = () =>
    ensureEnvironment({
      folder: join(cacheFolder(), environment),
      requirements: join(tests, "requirements.txt"),
      what,
      size,
    }).then(({ program }) => program("python"));
  const python = process.env[variable] || (await made());
  const vitest = join(packageFolder, "node_modules", "vitest", "vitest.mjs");
  const config = join(tests, "vitest.config.ts");
  const { status } = spawnSync(process.execPath, [vitest, "run", "--config", config, ...process.argv.slice(2)], {
    cwd: packageFolder,
    stdio: "inherit",
    env: { ...process.env, [variable]: python },
  });
  process.exitCode = status ?? 1;
}
