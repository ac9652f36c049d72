/** @file Timing on a machine that is never quite quiet: many short runs, and statistics that the slowest do not sway. */

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

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** What a run takes when little else gets in its way. */
export const lowerQuartile = (values: readonly number[]): number => quantile(values, 0.25);

/** The median, and in parentheses the lowest and the highest value. */
export function spread(values: readonly number[], digits = 0): string {
  const [middle, low, high] = [median(values), Math.min(...values), Math.max(...values)].map((n) => n.toFixed(digits));
  return `${middle} (${low} to ${high})`;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
  return below + (above - below) * (place - Math.floor(place));
}
