/** @file `npm run test:scores`: compares BLEU and ROUGE with Python's libraries, in a Python environment of its own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cacheFolder } from "../src/folders.ts";
import { packageFolder } from "../src/version.ts";
import { ensureEnvironment } from "./python.ts";

const tests = join(packageFolder, "test", "scores-python");

/** The Python of GLMLAB_SCORES_PYTHON, which must have what requirements.txt names, else one that is made once. */
async function pythonWithScores(): Promise<string> {
  const given = process.env.GLMLAB_SCORES_PYTHON;
  if (given) return given;
  const environment = await ensureEnvironment({
    folder: join(cacheFolder(), "python-scores"),
    requirements: join(tests, "requirements.txt"),
    what: "jieba, NLTK and rouge-chinese",
    size: "about 100 MB",
  });
  return environment.program("python");
}

const env = { ...process.env, GLMLAB_SCORES_PYTHON: await pythonWithScores() };
const vitest = join(packageFolder, "node_modules", "vitest", "vitest.mjs");
const config = join(tests, "vitest.config.ts");
const { status } = spawnSync(process.execPath, [vitest, "run", "--config", config, ...process.argv.slice(2)], {
  cwd: packageFolder,
  stdio: "inherit",
  env,
});
process.exitCode = status ?? 1;
