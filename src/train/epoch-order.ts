/** @file Which rows make which step of an epoch: in a new order each time, those of like lengths together. */
import { randomStream, shuffledIndices } from "../random.ts";

export interface OrderOptions {
  readonly batchSize: number;
  /** Batches that make one step. */
  readonly accumulate: number;
  readonly mixLengths?: boolean;
  readonly seed: number;
}

/** The steps of an epoch. Rows are told by their numbers, from 0. */
export interface EpochOrder {
  readonly steps: number;
  /** The batches of a step, which counts from 0. */
  step(index: number): readonly (readonly number[])[];
}

/** Steps whose rows are sorted together, at most: as transformers' `LengthGroupedSampler` has it. */
const SORTED_TOGETHER = 50;

/** An epoch has at least so many groups that are sorted by themselves: which rows meet stays a matter of chance. */
const GROUPS = 4;

/**
 * The order of an epoch's rows. Each row comes once; the last step has what is left. The first epoch begins with the step of the
 * longest row, so that too little memory shows at once.
 * @param lengths of the rows, in tokens
 * @param epoch from 1
 */
export function epochOrder(
  lengths: Uint32Array,
  { batchSize, accumulate, mixLengths = false, seed }: OrderOptions,
  epoch: number,
): EpochOrder {
  const stream = randomStream(seed, "order", epoch);
  const rows = batchSize * accumulate;
  const order = shuffledIndices(stream, lengths.length);
  const count = Math.ceil(order.length / rows);
  const stepAt = (step: number): Uint32Array => order.subarray(step * rows, (step + 1) * rows);
  const together = mixLengths ? 1 : Math.min(Math.floor(order.length / (rows * GROUPS)), SORTED_TOGETHER);
  const steps = Uint32Array.from({ length: count }, (_, i) => i);
  if (together > 1) {
    sortPieces(order, lengths, rows * together);
    // In a random order again, which training must not follow; a smaller step stays the last.
    steps.set(shuffledIndices(stream, Math.floor(order.length / rows)));
  }
  if (epoch === 1) longestFirst(steps, (step) => longestOf(stepAt(step), lengths));
  return { steps: count, step: (index) => parts(stepAt(steps[index] as number), batchSize) };
}

/** Sorts a random order within pieces, the longest first. */
function sortPieces(order: Uint32Array, lengths: Uint32Array, size: number): void {
  const lengthOf = (row: number): number => lengths[row] as number;
  for (let at = 0; at < order.length; at += size) {
    const piece = order.subarray(at, at + size);
    piece.set([...piece].sort((a, b) => lengthOf(b) - lengthOf(a)));
  }
}

function longestFirst(steps: Uint32Array, longest: (step: number) => number): void {
  let [at, most] = [0, 0];
  steps.forEach((step, i) => {
    const length = longest(step);
    if (length > most) [at, most] = [i, length];
  });
  const first = steps[at] ?? 0;
  steps.copyWithin(1, 0, at);
  if (steps.length > 0) steps[0] = first;
}

const longestOf = (rows: Uint32Array, lengths: Uint32Array): number =>
  rows.reduce((most, row) => Math.max(most, lengths[row] as number), 0);

const parts = (rows: Uint32Array, size: number): number[][] =>
  Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => [...rows.subarray(i * size, (i + 1) * size)]);
