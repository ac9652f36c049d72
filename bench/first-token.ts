/** @file How soon a notebook shows the first token: with the weights in a runtime already, and without. */
import { rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { stopRuntime } from "../src/runtime/cli.ts";
import type { Figure } from "./figure.ts";
import { ended, firstToken, LOAD, readyKernel, restarted } from "./notebook.ts";
import { spread } from "./timing.ts";

/** Milliseconds of rest before each measurement. */
const REST = 300;

interface Cases {
  readonly [name: string]: () => Promise<number>;
}

/**
 * @param rounds in each of which every case has its turn
 * @param empty a folder for the cache of a load that finds none
 */
export async function firstTokens(rounds: number, empty: string): Promise<Figure[]> {
  const cases: Cases = {
    "`%model` to first token, very first load: weights are converted": async () => {
      await stopRuntime();
      await rm(empty, { recursive: true, force: true });
      return afterLoading(LOAD.runtime, { GLMLAB_CACHE: empty }).finally(() => stopRuntime());
    },
    "`%model` to first token, cold: the runtime is started": async () => {
      await stopRuntime();
      return afterLoading(LOAD.runtime);
    },
    "`%model` to first token, weights in the runtime": () => afterLoading(LOAD.runtime),
    "`%model` to first token, weights in the kernel (`--runtime none`)": () => afterLoading(LOAD.kernel),
    "restart of the kernel to first token, weights in the runtime": () => afterRestart(LOAD.runtime),
    "restart of the kernel to first token, weights in the kernel": () => afterRestart(LOAD.kernel),
  };
  await afterLoading(LOAD.runtime); // fills the caches
  const seen = Object.keys(cases).map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, measure] of Object.values(cases).entries()) seen[index]?.push(await measure());
  }
  return Object.keys(cases).map((name, index) => [name, `${spread(seen[index] as number[])} ms`]);
}

/** From asking a kernel that is ready to load the model, in milliseconds. */
async function afterLoading(load: string, env: Readonly<Record<string, string>> = {}): Promise<number> {
  const kernel = await readyKernel({ env });
  try {
    await setTimeout(REST);
    const asked = performance.now();
    return (await firstToken(kernel, load)) - asked;
  } finally {
    await ended(kernel);
  }
}

/** From asking a kernel that has the model to restart, in milliseconds. */
async function afterRestart(load: string): Promise<number> {
  const kernel = await readyKernel();
  await firstToken(kernel, load);
  await setTimeout(REST);
  const asked = performance.now();
  const successor = await restarted(kernel);
  try {
    return (await firstToken(successor, load)) - asked;
  } finally {
    await ended(successor);
    kernel.dispose();
  }
}
