/**
 * @file Eight answers with eight different adapters: in one batch, and one after the other. With `tiny`, and with a random model of
 * ChatGLM3's layout.
 *
 *   npm run bench -- adapters [--rounds 5] [--tokens 48]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type AdapterHandle, type ChatGLM, load, lora, pTuning } from "../src/index.ts";
import { writeRandomCheckpoint } from "./models/random-checkpoint.ts";
import { markdownTable } from "./table.ts";
import { median, spread } from "./timing.ts";
import { wholeNumber } from "./whole.ts";

const ROWS = 8;
const shape = { layers: 4, hidden: 1024, ffn: 2736, heads: 8, groups: 2, vocabulary: 8192 };

export async function adapterBatches(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: "string", default: "5" }, tokens: { type: "string", default: "48" } },
  });
  const [rounds, tokens] = [wholeNumber("rounds", values.rounds), wholeNumber("tokens", values.tokens)];
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  const folder = await mkdtemp(join(tmpdir(), "glmlab-bench-"));
  process.env.GLMLAB_DATA = join(folder, "data");
  process.env.GLMLAB_CACHE = join(folder, "cache");
  try {
    await writeRandomCheckpoint(join(folder, "random"), shape, { seed: 0 });
    const table: Record<string, string>[] = [];
    for (const [name, source] of [
      ["tiny", "tiny"],
      [`${shape.layers} x ${shape.hidden}`, join(folder, "random")],
    ] as const) {
      const model = await load(source, { runtime: "none" });
      try {
        for (const [kinds, adapters] of await adaptersOf(model)) {
          table.push({ model: name, adapters: kinds, ...(await compare(model, adapters, rounds, tokens)) });
        }
      } finally {
        await model.dispose();
      }
    }
    console.log(markdownTable(table));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Adapters = readonly (AdapterHandle | undefined)[];

async function adaptersOf(model: ChatGLM): Promise<[string, Adapters][]> {
  const made = await Promise.all(
    Array.from({ length: ROWS }, (_, i) => model.createAdapter(`lora-${i}`, lora({ targets: ["query_key_value"] }))),
  );
  const prefixes = await Promise.all(
    Array.from({ length: ROWS / 2 }, (_, i) => model.createAdapter(`prefix-${i}`, pTuning({ length: 8 * (i + 1) }))),
  );
  return [
    ["8 of LoRA", made],
    ["4 of LoRA, 4 prefixes", [...made.slice(0, ROWS / 2), ...prefixes]],
    ["none: 8 rows of the base", made.map(() => undefined)],
  ];
}

async function compare(
  model: ChatGLM,
  adapters: Adapters,
  rounds: number,
  tokens: number,
): Promise<Record<string, string>> {
  const options = { greedy: true, stop: [], maxNewTokens: tokens };
  const ids = model.prompt([{ role: "user", content: "你好" }]);
  const single = async (): Promise<number> => {
    const begun = performance.now();
    let made = 0;
    for (const adapter of adapters) {
      for await (const _ of model.generate(ids, { ...options, ...(adapter ? { adapter } : {}) })) made += 1;
    }
    if (made !== ROWS * tokens) throw new Error(`expected ${ROWS} answers of ${tokens} tokens, got ${made} in all`);
    return (1000 * made) / (performance.now() - begun);
  };
  const together = async (): Promise<number> => {
    const begun = performance.now();
    await model.askAll("你好", { ...options, adapters: adapters.map((adapter) => adapter ?? null) });
    return (1000 * ROWS * tokens) / (performance.now() - begun);
  };
  await single();
  await together();
  const seen: { single: number; together: number }[] = [];
  for (let round = 0; round < rounds; round += 1) seen.push({ single: await single(), together: await together() });
  return {
    "one after the other, tokens/s": median(seen.map((round) => round.single)).toFixed(0),
    "in one batch, tokens/s": median(seen.map((round) => round.together)).toFixed(0),
    gain: spread(
      seen.map((round) => round.together / round.single),
      2,
    ),
  };
}
