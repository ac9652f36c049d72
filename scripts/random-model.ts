/**
 * @file Makes a model of ChatGLM3's layout with random weights, 6 billion by default: for measuring and for tests of size.
 *
 *   node dist/scripts/random-model.js FOLDER [--bits 4|8] [--layers 28] [--seed 0] [--tokenizer FOLDER] ...
 *
 * The same seed gives the same weights, in every form. An interrupted run goes on where it stopped.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { writeRandomCheckpoint } from "../bench/models/random-checkpoint.ts";
import { chatglm3, type ModelShape, type PublishedBits } from "../bench/models/random-model.ts";
import { wholeNumber } from "../bench/whole.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bits: { type: "string" },
    seed: { type: "string", default: "0" },
    tokenizer: { type: "string" },
    ...sizeOptions(),
  },
});
const [folder] = positionals;
if (folder === undefined || positionals.length > 1 || ![undefined, "4", "8"].includes(values.bits)) {
  console.error("random-model: expected one folder, and --bits 4 or 8 or none, got", process.argv.slice(2).join(" "));
  process.exit(1);
}
const started = performance.now();
const bytes = await writeRandomCheckpoint(resolve(folder), shapeOf(values), {
  seed: wholeNumber("seed", values.seed, 0),
  bits: values.bits === undefined ? undefined : (Number(values.bits) as PublishedBits),
  tokenizer: values.tokenizer,
  onProgress: (done, total) => process.stdout.write(`\rfile ${done} of ${total}`),
});
console.log(`\n${(bytes / 1e9).toFixed(2)} GB in ${((performance.now() - started) / 1000).toFixed(0)} s: ${folder}`);

/** An option for each size of the model, by its name. */
function sizeOptions(): Record<keyof ModelShape, { type: "string"; default: string }> {
  const option = (size: number) => ({ type: "string" as const, default: String(size) });
  const { layers, hidden, ffn, heads, groups, vocabulary } = chatglm3;
  return {
    layers: option(layers),
    hidden: option(hidden),
    ffn: option(ffn),
    heads: option(heads),
    groups: option(groups),
    vocabulary: option(vocabulary),
  };
}

function shapeOf(given: Readonly<Record<keyof ModelShape, string>>): ModelShape {
  const size = (name: keyof ModelShape): number => wholeNumber(name, given[name]);
  return {
    layers: size("layers"),
    hidden: size("hidden"),
    ffn: size("ffn"),
    heads: size("heads"),
    groups: size("groups"),
    vocabulary: size("vocabulary"),
  };
}
