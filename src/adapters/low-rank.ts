/** @file Arithmetic of low-rank updates on plain numbers. */
import { type FloatTensor, tensor } from "../tensor.ts";

/** factor · xᵀ. */
export function transposed({ shape, data }: FloatTensor, factor = 1): FloatTensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      out[column * rows + row] = (data[row * columns + column] as number) * factor;
    }
  }
  return tensor("float32", [columns, rows], out);
}

/** weight + factor · b·a, with b [out, r] and a [r, in]. */
export function plusProduct(weight: FloatTensor, b: FloatTensor, a: FloatTensor, factor: number): FloatTensor {
  const [out, width] = weight.shape as [number, number];
  const r = a.shape[0] as number;
  const merged = Float32Array.from(weight.data);
  for (let row = 0; row < out; row += 1) {
    for (let k = 0; k < r; k += 1) {
      const left = (b.data[row * r + k] as number) * factor;
      if (left === 0) continue;
      const [from, to] = [k * width, row * width];
      for (let i = 0; i < width; i += 1)
        merged[to + i] = (merged[to + i] as number) + left * (a.data[from + i] as number);
    }
  }
  return tensor("float32", weight.shape, merged);
}

/** The sum of the squares of each row: [rows]. */
export function rowSquares({ shape, data }: FloatTensor): Float32Array {
  const [rows, width] = shape as [number, number];
  const squares = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i += 1) sum += (data[i] as number) ** 2;
    squares[row] = sum;
  }
  return squares;
}

/** Each row of a matrix times its own factor. */
export function rowsTimes({ shape, data }: FloatTensor, factors: FloatTensor): FloatTensor {
  const width = shape[1] as number;
  const times = data.map((value, i) => value * (factors.data[Math.floor(i / width)] as number));
  return tensor("float32", shape, times);
}

/** Each column of a matrix times its own factor. */
export function columnsTimes({ shape, data }: FloatTensor, factors: FloatTensor): FloatTensor {
  const width = shape[1] as number;
  const times = data.map((value, i) => value * (factors.data[i % width] as number));
  return tensor("float32", shape, times);
}
