/** @file What a second notebook with the same model adds to the memory in use. */
import { setTimeout } from "node:timers/promises";
import { lockHolder } from "../src/lock.ts";
import { runtimeFolder } from "../src/runtime/folder.ts";
import type { Figure } from "./figure.ts";
import { memoryOf, type ProcessMemory } from "./memory.ts";
import { ended, firstToken, LOAD, readyKernel } from "./notebook.ts";
import { spread } from "./timing.ts";

/** Milliseconds after which a process is taken to be at rest. */
const REST = 1000;

/** In megabytes. */
interface Growth {
  readonly private: number;
  readonly shared: number;
}

export async function secondNotebook(rounds: number): Promise<Figure[]> {
  const viaRuntime: { kernel: Growth; runtime: Growth }[] = [];
  const alone: Growth[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { kernel, runtime } = await whatSecondAdds(LOAD.runtime);
    viaRuntime.push({ kernel, runtime: runtime as Growth });
    alone.push((await whatSecondAdds(LOAD.kernel)).kernel);
  }
  return [
    [
      "what a second notebook adds to its kernel, weights in the runtime",
      shown(viaRuntime.map(({ kernel }) => kernel)),
    ],
    ["what it adds to the runtime", shown(viaRuntime.map(({ runtime }) => runtime))],
    ["what it adds to its kernel, weights in both kernels", shown(alone)],
  ];
}

/** By how much the second of two kernels grows when it loads the model and asks; and the runtime, if it is in use. */
async function whatSecondAdds(load: string): Promise<{ kernel: Growth; runtime?: Growth }> {
  const [first, second] = [await readyKernel(), await readyKernel()];
  try {
    await firstToken(first, load);
    await setTimeout(REST);
    const kernel = memoryOf(second.process.pid as number);
    const runtime = load === LOAD.runtime ? runtimeMemory() : undefined;
    await firstToken(second, load);
    await setTimeout(REST);
    return {
      kernel: growth(kernel, memoryOf(second.process.pid as number)),
      ...(runtime ? { runtime: growth(runtime, runtimeMemory()) } : {}),
    };
  } finally {
    await ended(first);
    await ended(second);
  }
}

function runtimeMemory(): ProcessMemory {
  const holder = lockHolder(runtimeFolder().path);
  if (!holder) throw new Error("No runtime runs, although a model was loaded into it");
  return memoryOf(holder.pid);
}

function growth(before: ProcessMemory, after: ProcessMemory): Growth {
  const [from, to] = [before.private ?? Number.NaN, after.private ?? Number.NaN];
  return { private: (to - from) / 1e6, shared: (after.resident - to - (before.resident - from)) / 1e6 };
}

function shown(growths: readonly Growth[]): string {
  const [own, shared] = [growths.map((growth) => growth.private), growths.map((growth) => growth.shared)];
  return `${spread(own)} MB private, ${spread(shared)} MB shared`;
}
