/** @file What blocks of numbers are scaled by. */

/** The element of largest magnitude, with its sign. */
export function largestOf(values: Float32Array, from: number, length: number): number {
  let peak = 0;
  for (let i = from; i < from + length; i += 1) {
    const value = values[i] as number;
    if (Math.abs(value) > Math.abs(peak)) peak = value;
  }
  return peak;
}
