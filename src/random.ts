/**
 * @file Randomness as a function of (seed, place): the same seed at the same place gives the same numbers, whatever was
 * drawn elsewhere and in whatever order.
 *
 * The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011):
 * a keyed permutation of a counter, made of 32-bit additions, rotations and xors, which is what JavaScript does fast.
 */
import { GlmError } from "./errors.ts";

/** What names a place: a step, a layer, a purpose ("dropout"). */
export type Place = readonly (number | string)[];

/** A sequence of random numbers that belongs to one place. */
export interface RandomStream {
  /** 32 random bits, as an integer in [0, 2^32). */
  bits(): number;
  /** Uniform in [0, 1), with 53 random bits. */
  uniform(): number;
  /** Uniform among 0, 1, ..., below - 1, without bias. */
  integer(below: number): number;
  /** Standard normal. */
  normal(): number;
}

/**
 * The stream of numbers of one place. Streams of different seeds or places are independent.
 * @param seed any safe integer
 */
export function randomStream(seed: number, ...place: Place): RandomStream {
  const key = keyOf(seed, place);
  const block = new Uint32Array(2);
  let counter = 0;
  let left = 0;
  const next = (): void => {
    threefry(key, counter >>> 0, Math.floor(counter / 2 ** 32), block);
    counter++;
  };
  const stream: RandomStream = {
    bits() {
      if (left === 0) {
        next();
        left = 2;
      }
      return block[2 - left--] as number;
    },
    uniform() {
      const high = stream.bits() >>> 5;
      return (high * 2 ** 26 + (stream.bits() >>> 6)) / 2 ** 53;
    },
    integer(below) {
      if (!Number.isInteger(below) || below < 1 || below > 2 ** 32) {
        throw new RangeError(`a random integer needs a bound from 1 to 2^32, got ${below}`);
      }
      const fair = 2 ** 32 - (2 ** 32 % below);
      let value = stream.bits();
      while (value >= fair) value = stream.bits();
      return value % below;
    },
    normal() {
      // Box-Muller; 1 - u lies in (0, 1], so the logarithm is finite.
      const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform()));
      return radius * Math.cos(2 * Math.PI * stream.uniform());
    },
  };
  return stream;
}

/** `size` normal numbers of mean 0. */
export function normals(stream: RandomStream, size: number, deviation = 1): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = stream.normal() * deviation;
  return values;
}

/** The items in random order (Fisher-Yates); the argument is left as it is. */
export const shuffled = <T>(stream: RandomStream, items: readonly T[]): T[] => shuffle(stream, [...items]);

/** 0, 1, ..., count - 1 in random order: where `shuffled` would put them, at four bytes each. */
export const shuffledIndices = (stream: RandomStream, count: number): Uint32Array =>
  shuffle(
    stream,
    Uint32Array.from({ length: count }, (_, i) => i),
  );

function shuffle<T, A extends { readonly length: number; [i: number]: T }>(stream: RandomStream, items: A): A {
  for (let i = items.length - 1; i > 0; i--) {
    const j = stream.integer(i + 1);
    const item = items[i] as T;
    items[i] = items[j] as T;
    items[j] = item;
  }
  return items;
}

/**
 * Fills `target` with a dropout mask: 0 with probability `rate`, else 1 / (1 - rate). It spends 16 bits an element,
 * because masks are made at every training step: the rate is rounded to a multiple of 2^-16.
 */
export function fillDropoutMask(stream: RandomStream, target: Float32Array, rate: number): void {
  const threshold = Math.round(rate * 65536);
  const kept = 65536 / (65536 - threshold);
  for (let i = 0; i < target.length; i += 2) {
    const bits = stream.bits();
    target[i] = (bits & 0xffff) < threshold ? 0 : kept;
    if (i + 1 < target.length) target[i + 1] = bits >>> 16 < threshold ? 0 : kept;
  }
}

/** A place's key: each part is folded into the key that the parts before it made. */
function keyOf(seed: number, place: Place): Uint32Array {
  if (!Number.isSafeInteger(seed)) {
    throw new GlmError(
      "option-invalid",
      `seed: expected an integer of at most 2^53 - 1 in size, got ${seed}. Use a whole number, such as 42.`,
    );
  }
  const key = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32));
  for (const part of place) {
    const [low, high] = typeof part === "number" ? [part >>> 0, Math.floor(part / 2 ** 32)] : hash(part);
    threefry(key.slice(), low, high, key);
  }
  return key;
}

/** FNV-1a over the text's UTF-16 units, from two starting points. */
function hash(text: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(i), 0x01000193);
  }
  return [a >>> 0, b >>> 0];
}

/** Permutes the counter (low, high) under the key and writes the two words to `out`. */
export function threefry(key: Uint32Array, low: number, high: number, out: Uint32Array): void {
  const k0 = key[0] as number;
  const k1 = key[1] as number;
  const k2 = 0x1bd11bda ^ k0 ^ k1;
  let x = (low + k0) | 0;
  let y = (high + k1) | 0;
  // Four rounds and a key injection at a time; the rotations of odd and even groups differ.
  for (let group = 1; group <= 5; group++) {
    if (group % 2 === 1) {
      x = (x + y) | 0;
      y = ((y << 13) | (y >>> 19)) ^ x;
      x = (x + y) | 0;
      y = ((y << 15) | (y >>> 17)) ^ x;
      x = (x + y) | 0;
      y = ((y << 26) | (y >>> 6)) ^ x;
      x = (x + y) | 0;
      y = ((y << 6) | (y >>> 26)) ^ x;
    } else {
      x = (x + y) | 0;
      y = ((y << 17) | (y >>> 15)) ^ x;
      x = (x + y) | 0;
      y = ((y << 29) | (y >>> 3)) ^ x;
      x = (x + y) | 0;
      y = ((y << 16) | (y >>> 16)) ^ x;
      x = (x + y) | 0;
      y = ((y << 24) | (y >>> 8)) ^ x;
    }
    const turn = group % 3;
    x = (x + (turn === 0 ? k0 : turn === 1 ? k1 : k2)) | 0;
    y = (y + (turn === 0 ? k1 : turn === 1 ? k2 : k0) + group) | 0;
  }
  out[0] = x;
  out[1] = y;
}
