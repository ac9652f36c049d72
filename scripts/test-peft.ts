/** @file `npm run test:peft`: exchanges adapters with the real PEFT, in a Python environment of its own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cacheFolder } from "../src/folders.ts";
import { packageFolder } from "../src/version.ts";
import { ensureEnvironment } from "./python.ts";

const tests = join(packageFolder, "test", "peft");

/** The Python of GLMLAB_TORCH_PYTHON, which must have what requirements.txt names, else one that is made once. */
async function pythonWithPeft(): Promise<string> {
  const given = process.env.GLMLAB_TORCH_PYTHON;
  if (given) return given;
  const environment = await ensureEnvironment({
    folder: join(cacheFolder(), "python-peft"),
    requirements: join(tests, "requirements.txt"),
    what: "PyTorch and PEFT",
    size: "some gigabytes",
  });
  return environment.program("python");
}

const env = { ...process.env, GLMLAB_TORCH_PYTHON: await pythonWithPeft() };
const vitest = join(packageFolder, "node_modules", "vitest", "vitest.mjs");
const config = join(tests, "vitest.config.ts");
const { status } = spawnSync(process.execPath, [vitest, "run", "--config", config, ...process.argv.slice(2)], {
  cwd: packageFolder,
  stdio: "inherit",
  env,
});
process.exitCode = status ?? 1;
