/**
 * @file A model that outlives its kernels: how soon it answers, how fast, what changing the adapter costs, and what a second
 * notebook adds. All of it with `tiny`, in a runtime, folders and caches of its own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stopRuntime } from "../src/runtime/cli.ts";
import { adapterSwap } from "./adapter-swap.ts";
import { decoding } from "./decoding.ts";
import { firstTokens } from "./first-token.ts";
import { secondNotebook } from "./second-notebook.ts";
import { markdownTable } from "./table.ts";

export async function runtime(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: "string", default: "7" } } });
  const rounds = Number(values.rounds);
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  const folder = await mkdtemp(join(tmpdir(), "glmlab-bench-"));
  // Kernels and the runtime inherit these.
  process.env.GLMLAB_RUNTIME_DIR = join(folder, "runtime");
  process.env.GLMLAB_DATA = join(folder, "data");
  process.env.GLMLAB_CACHE = join(folder, "cache");
  process.env.XDG_CACHE_HOME = join(folder, "code");
  try {
    const figures = [
      ...(await firstTokens(rounds, join(folder, "empty"))),
      ...(await secondNotebook(rounds)),
      ...(await decoding(rounds)),
      ...(await adapterSwap(rounds)),
    ];
    const label = `median (lowest to highest) of ${rounds} rounds`;
    console.log(markdownTable(figures.map(([what, value]) => ({ [label]: what, tiny: value }))));
  } finally {
    await stopRuntime();
    await rm(folder, { recursive: true, force: true });
  }
}
