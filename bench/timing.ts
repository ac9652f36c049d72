/** @file Timing on a machine that is never quite quiet: many short runs, medians, contenders taking turns. */

/** Seconds that each of several runs took. At least one run is made, more until `budget` seconds have passed. */
export async function timed(run: () => Promise<unknown>, budget: number): Promise<number[]> {
  const seconds: number[] = [];
  const started = performance.now();
  do {
    const begun = performance.now();
    await run();
    seconds.push((performance.now() - begun) / 1000);
  } while (performance.now() - started < budget * 1000);
  return seconds;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle - 0.5)] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}
