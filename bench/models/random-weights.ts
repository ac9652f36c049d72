/**
 * @file Random weights of any size, fast: every element is a function of (seed, tensor, place), so that tensors can be
 * made piece by piece, again, and in several formats that then hold the same numbers.
 *
 * Values are drawn from a table of normal numbers, rounded to float16: what a float16 checkpoint holds is exact.
 */

import { toFloat16 } from "../../src/float16.ts";
import { toFloat32 } from "../../src/float32.ts";
import { normals, randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";

/** What a tensor's elements are drawn from. */
export interface Distribution {
  readonly mean: number;
  readonly deviation: number;
}

/** One tensor that is to be random. */
export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly distribution: Distribution;
}

/** The same numbers twice: as float16 bits, and as float32. */
interface Table {
  readonly halves: Uint16Array;
  readonly floats: Float32Array;
}

/** An element takes 16 random bits: its row of the table. */
const ROWS = 2 ** 16;

export class RandomWeights {
  readonly #seed: number;
  readonly #tables = new Map<string, Table>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Elements `from`, `from + 1`, ... as float16 bits. `from` is even. */
  halves(what: RandomTensor, from: number, target: Uint16Array): void {
    this.#fill(what, from, target, this.#table(what.distribution).halves);
  }

  /** The same elements as float32. `from` is even. */
  floats(what: RandomTensor, from: number, target: Float32Array): void {
    this.#fill(what, from, target, this.#table(what.distribution).floats);
  }

  #fill({ name }: RandomTensor, from: number, target: Uint16Array | Float32Array, table: Uint16Array | Float32Array) {
    if (from % 2 !== 0) throw new RangeError(`${name}: ranges start at even elements, got ${from}`);
    const stream = randomStream(this.#seed, name);
    const [first, second] = [stream.bits(), stream.bits()];
    const even = target.length - (target.length % 2);
    let pair = from / 2;
    for (let i = 0; i < even; i += 2, pair += 1) {
      const bits = mixed(pair, first, second);
      target[i] = table[bits & 0xffff] as number;
      target[i + 1] = table[bits >>> 16] as number;
    }
    if (even < target.length) target[even] = table[mixed(pair, first, second) & 0xffff] as number;
  }

  #table({ mean, deviation }: Distribution): Table {
    const key = `${mean} ${deviation}`;
    const known = this.#tables.get(key);
    if (known) return known;
    const values = normals(randomStream(this.#seed, "table"), ROWS).map((value) => mean + deviation * value);
    const halves = toFloat16(tensor("float32", [ROWS], values));
    const table = { halves: halves.data, floats: toFloat32(halves).data };
    this.#tables.set(key, table);
    return table;
  }
}

/**
 * 32 bits of a counter under a key: an integer hash whose every output bit depends on every input bit evenly enough for
 * weights (multipliers: C. Wellons, "Prospecting for hash functions", 2018). A cipher as in src/random.ts would take ten
 * times as long, hours for a model of 6 billion.
 */
function mixed(counter: number, first: number, second: number): number {
  let bits = (Math.imul(counter, 0x9e3779b1) + first) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad) ^ second;
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}
