/**
 * @file Experiments on how facts are taught, kept and lost; notebook 04 draws what they find. A quarter of an hour on two cores.
 *
 *   node dist/scripts/experiments/knowledge.js [--only NAME] [--again] [--short | --quick] [--model tiny] [--seed 7] [--out FILE]
 *
 * Results that are there already, of the same weights, are kept: an interrupted run goes on where it was. `--again` measures anew.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { wholeNumber } from "../../bench/whole.ts";
import { load } from "../../src/index.ts";
import { packageFolder } from "../../src/version.ts";
import { capacity } from "./capacity.ts";
import type { Laboratory } from "./laboratory.ts";
import { oldRecipe } from "./old-recipe.ts";
import { rehearsal } from "./rehearsal.ts";
import { isCurrent, type Origin, readResults, writeResult } from "./results.ts";
import { similarKeys } from "./similarity.ts";
import { full, quick, short } from "./sizes.ts";
import { together } from "./together.ts";

const experiments: Readonly<Record<string, (laboratory: Laboratory) => Promise<object>>> = {
  together,
  oldRecipe,
  capacity,
  similarity: similarKeys,
  rehearsal,
};

const SEED = "7";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    again: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    model: { type: "string", default: "tiny" },
    seed: { type: "string", default: SEED },
    out: { type: "string" },
  },
});
const names = values.only === undefined ? Object.keys(experiments) : [values.only];
const unknown = names.find((name) => !Object.hasOwn(experiments, name));
if (unknown !== undefined) {
  console.error(`--only: expected one of ${Object.keys(experiments).join(", ")}, got ${unknown}.`);
  process.exit(1);
}
const seed = wholeNumber("seed", values.seed, 0);
const place = values.quick ? "out/knowledge-experiments-quick.json" : "notebooks/data/knowledge-experiments.json";
const file = values.out ?? join(packageFolder, place);

const workspace = mkdtempSync(join(tmpdir(), "glmlab-experiments-"));
// Merged models and books are nobody's: they stay out of the user's folders.
process.env.GLMLAB_DATA = join(workspace, "data");
process.env.GLMLAB_CACHE = join(workspace, "cache");
try {
  const glm = await load(values.model, { runtime: "none" });
  const given = [
    ...(values.short ? ["--short"] : []),
    ...(values.quick ? ["--quick"] : []),
    ...(values.model === "tiny" ? [] : ["--model", values.model]),
    ...(values.seed === SEED ? [] : ["--seed", values.seed]),
  ];
  const origin: Origin = {
    command: ["node dist/scripts/experiments/knowledge.js", ...given].join(" "),
    model: values.model,
    weights: digestOf(glm.info.folder),
    seed,
    quick: values.quick,
  };
  for (const name of names) {
    const known = readResults(file)[name];
    if (!values.again && isCurrent(known, origin)) {
      console.log(`${name}: measured on ${known?.date}; --again measures it anew.`);
      continue;
    }
    console.log(name);
    const started = performance.now();
    const sizes = values.quick ? quick : values.short ? short : full;
    const say = (line: string): void => console.log(`  ${line}`);
    const data = await (experiments[name] as (typeof experiments)[string])({ glm, sizes, seed, workspace, say });
    const seconds = Math.round((performance.now() - started) / 1000);
    writeResult(file, name, { ...origin, date: new Date().toISOString().slice(0, 10), seconds, data });
    console.log(`  ${seconds} s`);
  }
  await glm.dispose();
  console.log(file);
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

/** The first digits of the weights' SHA-256: they tell results of other weights apart. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder).filter((name) => /\.(safetensors|bin)$/.test(name));
  for (const name of files.sort()) hash.update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}
