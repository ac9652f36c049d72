/** @file Damage that any file can take: flipped bits, cuts, insertions, copies, numbers that lie. */
import type { RandomStream } from "../../src/random.ts";
import { once, pick } from "./choice.ts";

export type ByteMutator = (original: Buffer, random: RandomStream) => Buffer;

export const byteMutators: Readonly<Record<string, ByteMutator>> = {
  "flip bits": (original, random) => {
    const bytes = Buffer.from(original);
    for (let i = random.integer(4); i >= 0; i -= 1) {
      const at = place(bytes, random);
      bytes[at] = (bytes[at] as number) ^ (1 << random.integer(8));
    }
    return bytes;
  },
  truncate: (original, random) => original.subarray(0, place(original, random)),
  "cut out": (original, random) => {
    const at = place(original, random);
    return Buffer.concat([
      original.subarray(0, at),
      original.subarray(at + 1 + random.integer(once(random, 2) ? 8 : 5000)),
    ]);
  },
  insert: (original, random) => {
    const at = place(original, random);
    const added = Buffer.from(Array.from({ length: 1 + random.integer(40) }, () => random.integer(256)));
    return Buffer.concat([original.subarray(0, at), added, original.subarray(at)]);
  },
  "copy a part": (original, random) => {
    const [from, to] = [place(original, random), place(original, random)];
    const part = original.subarray(from, from + 1 + random.integer(300));
    const kept = once(random, 2) ? to : to + part.length;
    return Buffer.concat([original.subarray(0, to), part, original.subarray(kept)]);
  },
  "odd integer": (original, random) => {
    const bytes = Buffer.from(original);
    const size = pick(random, [1, 2, 4, 8]);
    const at = Math.min(place(bytes, random), bytes.length - size);
    if (at >= 0) writeOdd(bytes, at, size, random);
    return bytes;
  },
  "append zeros": (original, random) => Buffer.concat([original, Buffer.alloc(1 + random.integer(100))]),
};

/** A place in the file; mostly near its ends, where formats keep what they say about themselves. */
function place(bytes: Buffer, random: RandomStream): number {
  if (bytes.length === 0) return 0;
  const near = Math.min(bytes.length, 3000);
  const choice = random.integer(8);
  if (choice < 4) return random.integer(near);
  return choice < 7 ? bytes.length - 1 - random.integer(near) : random.integer(bytes.length);
}

/** Writes a little-endian integer that readers are likely to stumble over. */
export function writeOdd(bytes: Buffer, at: number, size: number, random: RandomStream): void {
  const bits = BigInt(8 * size);
  const old = bytes.subarray(at, at + size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const top = 1n << bits;
  const delta = BigInt(1 + random.integer(64));
  const odd = pick(random, [
    0n,
    1n,
    top - 1n,
    top / 2n,
    top / 2n - 1n,
    old + 1n,
    old - 1n,
    old + delta,
    old - delta,
    old * 2n,
  ]);
  let rest = BigInt.asUintN(Number(bits), odd);
  for (let i = 0; i < size; i += 1, rest >>= 8n) bytes[at + i] = Number(rest & 255n);
}
