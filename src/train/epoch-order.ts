/** @file Which rows make which step of an epoch: in a new order each time, those of like lengths together. */
import { type RandomStream, randomStream, shuffled } from "../random.ts";
import type { Example } from "./examples.ts";

export interface OrderOptions {
  readonly batchSize: number;
  /** Batches that make one step. */
  readonly accumulate: number;
  readonly mixLengths?: boolean;
  readonly seed: number;
}

/** Steps whose rows are sorted together, at most: as transformers' `LengthGroupedSampler` has it. */
const SORTED_TOGETHER = 50;

/** An epoch has at least so many groups that are sorted by themselves: which rows meet stays a matter of chance. */
const GROUPS = 4;

/**
 * The batches of every step of an epoch. Each row comes once; the last step has what is left. The first epoch begins with the step
 * of the longest row, so that too little memory shows at once.
 * @param epoch from 1
 * @returns steps of batches of rows
 */
export function stepsOfEpoch(
  examples: readonly Example[],
  { batchSize, accumulate, mixLengths = false, seed }: OrderOptions,
  epoch: number,
): readonly (readonly (readonly Example[])[])[] {
  const stream = randomStream(seed, "order", epoch);
  const rows = batchSize * accumulate;
  const order = shuffled(stream, examples);
  const together = mixLengths ? 1 : Math.min(Math.floor(order.length / (rows * GROUPS)), SORTED_TOGETHER);
  const steps = together > 1 ? sortedSteps(order, rows, together, stream) : parts(order, rows);
  return (epoch === 1 ? longestFirst(steps) : steps).map((step) => parts(step, batchSize));
}

/** Steps of a random order that is sorted within pieces. They come in a random order again, which training must not follow; a smaller one is the last. */
function sortedSteps(
  order: readonly Example[],
  rows: number,
  together: number,
  stream: RandomStream,
): readonly (readonly Example[])[] {
  const sorted = parts(order, rows * together).flatMap((piece) =>
    [...piece].sort((a, b) => b.ids.length - a.ids.length),
  );
  const steps = parts(sorted, rows);
  const isWhole = (step: readonly Example[]): boolean => step.length === rows;
  return [...shuffled(stream, steps.filter(isWhole)), ...steps.filter((step) => !isWhole(step))];
}

function longestFirst(steps: readonly (readonly Example[])[]): readonly (readonly Example[])[] {
  const lengths = steps.map((step) => Math.max(...step.map(({ ids }) => ids.length)));
  const at = lengths.indexOf(Math.max(...lengths));
  const longest = steps[at];
  return longest ? [longest, ...steps.slice(0, at), ...steps.slice(at + 1)] : steps;
}

function parts<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
