/** @file Shape arithmetic over sizes that may be symbols: broadcasting and reduction. */
import { type Dim, type Shape, showShape } from "./value.ts";

/** A size that is either 1 or that of another symbol when the graph runs: what may broadcast to it. */
export const oneOr = (size: Dim): string => `1 or ${size}`;

/** The shape of an elementwise result; throws when the operands do not fit. */
export function broadcast(subject: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    if (right === oneOr(left)) return left;
    if (left === oneOr(right)) return right;
    if (typeof left === "string" && typeof right === "number") return right;
    if (typeof right === "string" && typeof left === "number") return left;
    throw new TypeError(`${subject}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast`);
  });
}

/**
 * The axes of `result` along which an operand of shape `operand` was repeated.
 * @throws when that is only known when the graph runs
 */
export function repeatedAxes(operand: Shape, result: Shape): number[] {
  const lead = result.length - operand.length;
  return result.flatMap((dim, axis) => {
    const own = axis < lead ? 1 : operand[axis - lead];
    if (own === oneOr(dim)) throw new Error(`what was repeated from ${showShape(operand)} has no gradient`);
    return axis < lead || (own === 1 && dim !== 1) ? [axis] : [];
  });
}

export function reduced(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const gone = new Set(axes.map((axis) => (axis < 0 ? shape.length + axis : axis)));
  return shape.flatMap((dim, axis): Dim[] => (gone.has(axis) ? (keep ? [1] : []) : [dim]));
}
