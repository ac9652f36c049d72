/** @file Encoded rows on their way into training steps: how they are batched, drawn and weighted. */
import type { RandomStream } from "../random.ts";
import type { TokenBatch } from "./batch.ts";

/** An encoded row. */
export interface Example {
  readonly ids: readonly number[];
  readonly labels: readonly number[];
}

export const encodedRows = ({ inputIds, labels }: TokenBatch): Example[] =>
  inputIds.map((ids, i) => ({ ids, labels: labels[i] as readonly number[] }));

export const joined = (examples: readonly Example[]): TokenBatch => ({
  inputIds: examples.map(({ ids }) => ids),
  labels: examples.map(({ labels }) => labels),
});

/** A second batch must save this share of the padded tokens to be worth a run of its own. */
const WORTH_CUTTING = 0.25;

/** The rows in one batch, or in two of short and of long ones where that pads much less. */
export function byLength(examples: readonly Example[]): (readonly Example[])[] {
  if (examples.length === 0) return [];
  const sorted = [...examples].sort((a, b) => a.ids.length - b.ids.length);
  const lengthAt = (i: number): number => (sorted[i - 1] as Example).ids.length;
  const padded = (cut: number): number => cut * lengthAt(cut) + (sorted.length - cut) * lengthAt(sorted.length);
  let best = sorted.length;
  for (let cut = 1; cut < sorted.length; cut += 1) if (padded(cut) < padded(best)) best = cut;
  const worth = padded(best) <= (1 - WORTH_CUTTING) * padded(sorted.length);
  return worth ? [sorted.slice(0, best), sorted.slice(best)] : [sorted];
}

/** Gradients weighted by their labelled tokens, so that together they weigh 1. */
export function shares<G>(
  parts: readonly { readonly gradients: G; readonly tokens: number }[],
): { readonly gradients: G; readonly weight: number }[] {
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
  return parts.map((part) => ({ gradients: part.gradients, weight: part.tokens / tokens }));
}

/** A few of the items at random, none twice; all of them when there are no more. */
export function drawn<T>(items: readonly T[], count: number, stream: RandomStream): readonly T[] {
  if (items.length <= count) return items;
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(stream.integer(items.length));
  return [...chosen].map((i) => items[i] as T);
}

/** A running mean over labelled tokens. */
export class Mean {
  #sum = 0;
  #weight = 0;

  add(value: number, weight: number): void {
    this.#sum += value * weight;
    this.#weight += weight;
  }

  get value(): number {
    return this.#sum / this.#weight;
  }
}

export function meanLoss(parts: readonly { readonly loss: number; readonly tokens: number }[]): number {
  const mean = new Mean();
  for (const { loss, tokens } of parts) mean.add(loss, tokens);
  return mean.value;
}
