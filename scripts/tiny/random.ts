/** @file A small seeded random source (mulberry32), so that a seed gives the same corpus on every machine. */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number in [0, end). */
  below(end: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** An element of a list; throws when it is empty. */
  pick<T>(list: readonly T[]): T;
}

/** Values with their shares; the shares need not add up to one. */
export type Shares<T> = readonly (readonly [share: number, value: T])[];

/** A value in proportion to its share. */
export function pickByShare<T>(random: Random, shares: Shares<T>): T {
  let left = random.next() * shares.reduce((sum, [share]) => sum + share, 0);
  for (const [share, value] of shares) {
    left -= share;
    if (left < 0) return value;
  }
  throw new Error("Cannot pick by share: no value has a positive share.");
}

/** A random source whose whole state is one 32-bit seed. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (list) => {
      const index = below(list.length);
      const value = list[index];
      if (index >= list.length || value === undefined) throw new Error("Cannot pick from an empty list.");
      return value;
    },
  };
}

/** A stable 32-bit hash (FNV-1a over UTF-16), for splits that do not depend on the order of generation. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
