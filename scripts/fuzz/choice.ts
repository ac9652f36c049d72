/** @file Random choices from lists. */
import type { RandomStream } from "../../src/random.ts";

/** One of the items. */
export function pick<T>(random: RandomStream, items: readonly T[]): T {
  if (items.length === 0) throw new Error("cannot pick from an empty list");
  return items[random.integer(items.length)] as T;
}

/** True once in `times`. */
export const once = (random: RandomStream, times: number): boolean => random.integer(times) === 0;
