/**
 * @file `npm run bench -- evaluate [--rows 200] [--rounds 3]`: rows answered by the base and three adapters, in one pass that all share and in
 * four passes one after the other.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, lora } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import { markdownTable } from "./table.ts";
import { median, spread } from "./timing.ts";

const NAMES = ["a", "b", "c"] as const;
/** Every answer has so many tokens at most. */
const LENGTH = 32;

export async function evaluate(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { rows: { type: "string", default: "200" }, rounds: { type: "string", default: "3" } },
  });
  const [count, rounds] = [Number(values.rows), Number(values.rounds)];
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  const folder = await mkdtemp(join(tmpdir(), "glmlab-bench-"));
  process.env.GLMLAB_DATA = join(folder, "data");
  const rows = Array.from({ length: count }, (_, i) => ({
    prompt: `${i + 1}+${(7 * i) % 90}=？`,
    response: String(i + 1 + ((7 * i) % 90)),
  }));
  const glm = await load("tiny", { runtime: "none" });
  const seen: { one: number; four: number }[] = [];
  try {
    for (const [seed, name] of NAMES.entries()) {
      const adapter = await glm.createAdapter(name, lora({ r: 8 }), { seed });
      for await (const _ of adapter.fit(rows.slice(0, 16), { epochs: 2, lr: 1e-3, seed }));
    }
    const all = [null, ...NAMES];
    const seconds = async (passes: readonly (readonly (string | null)[])[]): Promise<number> => {
      const begun = performance.now();
      for (const adapters of passes) await glm.evaluate(rows, { adapters, maxNewTokens: LENGTH });
      return (performance.now() - begun) / 1000;
    };
    await glm.evaluate(rows.slice(0, 8), { adapters: all, maxNewTokens: LENGTH });
    for (let round = 0; round < rounds; round += 1) {
      seen.push({ one: await seconds([all]), four: await seconds(all.map((adapter) => [adapter])) });
    }
  } finally {
    await glm.dispose();
    await rm(folder, { recursive: true, force: true });
  }
  const figures: readonly Figure[] = [
    [
      `${count} rows, the base and three adapters in one pass`,
      `${spread(
        seen.map(({ one }) => one),
        1,
      )} s`,
    ],
    [
      "the same in four passes",
      `${spread(
        seen.map(({ four }) => four),
        1,
      )} s`,
    ],
    ["four passes / one", median(seen.map(({ one, four }) => four / one)).toFixed(2)],
  ];
  const label = `median (lowest to highest) of ${rounds} rounds`;
  console.log(markdownTable(figures.map(([what, value]) => ({ [label]: what, tiny: value }))));
}
