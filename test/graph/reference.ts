/** @file Operators that onnxruntime has in float32 only, written out plainly in the precision of JavaScript. */

interface Matrices {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The tanh approximation of GELU. */
export const gelu = (x: number): number => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** alpha·op(a)·op(b) for each pair of matrices that broadcasting the leading axes makes. */
export function product(
  a: Matrices,
  b: Matrices,
  { transA, transB, alpha }: { transA: boolean; transB: boolean; alpha: number },
): number[] {
  const [aLead, bLead] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const rank = Math.max(aLead.length, bLead.length);
  const lead = Array.from({ length: rank }, (_, i) =>
    Math.max(aLead[aLead.length - rank + i] ?? 1, bLead[bLead.length - rank + i] ?? 1),
  );
  const [rows, inner] = lastTwo(a.shape, transA);
  const [, columns] = lastTwo(b.shape, transB);
  const at = ({ data }: Matrices, matrix: number, i: number, j: number, height: number, width: number, flip: boolean) =>
    data[matrix * height * width + (flip ? j * height + i : i * width + j)] as number;
  return indicesOf(lead).flatMap((index) => {
    const [left, right] = [flatIndex(index, aLead), flatIndex(index, bLead)];
    return Array.from({ length: rows * columns }, (_, position) => {
      const [i, j] = [Math.floor(position / columns), position % columns];
      let sum = 0;
      for (let k = 0; k < inner; k += 1) {
        sum += at(a, left, i, k, rows, inner, transA) * at(b, right, k, j, inner, columns, transB);
      }
      return alpha * sum;
    });
  });
}

const lastTwo = (shape: readonly number[], flip: boolean): [number, number] => {
  const [height, width] = shape.slice(-2) as [number, number];
  return flip ? [width, height] : [height, width];
};

/** All index tuples of a shape, in order. */
function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (tuples, size) => tuples.flatMap((tuple) => Array.from({ length: size }, (_, i) => [...tuple, i])),
    [[]],
  );
}

/** Where an index of the broadcast shape lies in a shape that was broadcast. */
function flatIndex(index: readonly number[], shape: readonly number[]): number {
  const own = index.slice(index.length - shape.length);
  return shape.reduce((flat, size, axis) => flat * size + (size === 1 ? 0 : (own[axis] as number)), 0);
}

/** Interleaved rotary embedding of x [tokens, heads·headSize]: pairs of the leading channels turn by their angle. */
export function rotated(
  x: readonly number[],
  sizes: {
    heads: number;
    headSize: number;
    rotated: number;
    interleaved: boolean;
    positions: readonly number[];
    angles: readonly number[];
  },
): number[] {
  const { heads, headSize, positions, angles, interleaved } = sizes;
  const pairs = sizes.rotated / 2;
  return x.map((value, i) => {
    const channel = i % headSize;
    if (channel >= sizes.rotated) return value;
    const position = positions[Math.floor(i / (heads * headSize))] as number;
    const angle = angles[position * pairs + (interleaved ? Math.floor(channel / 2) : channel % pairs)] as number;
    const isFirst = interleaved ? channel % 2 === 0 : channel < pairs;
    const distance = interleaved ? 1 : pairs;
    const other = x[isFirst ? i + distance : i - distance] as number;
    return value * Math.cos(angle) + (isFirst ? -other : other) * Math.sin(angle);
  });
}
