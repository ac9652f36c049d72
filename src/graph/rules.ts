/** @file How each operator passes a gradient back to its inputs. A new operator does not compile without its line here. */
import { type Rotary, rotary } from "./layers.ts";
import type { Op } from "./op.ts";
import {
  add,
  concat,
  div,
  expandLike,
  gatherElements,
  gemm,
  matmul,
  mul,
  neg,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  scale,
  scatterElementsAdd,
  scatterRowsAdd,
  sigmoid,
  split,
  sqrt,
  sub,
  tanh,
  transpose,
  zerosLike,
} from "./ops.ts";
import { repeatedAxes } from "./shape.ts";
import { type Dim, type Node, showShape, staticSize, type Value } from "./value.ts";

/**
 * Given a node and the gradients of its outputs (undefined where an output is unused), the gradients of its inputs;
 * those that are not `needed` may be left out.
 */
export type Rule = (
  node: Node,
  dys: readonly (Value | undefined)[],
  needed: readonly boolean[],
) => readonly (Value | undefined)[];

/** A rule for operators with one output, with the operands at hand. */
type Formula = (
  dy: Value,
  inputs: readonly Value[],
  y: Value,
  needed: readonly boolean[],
  node: Node,
) => readonly (Value | undefined)[];

const formula =
  (body: Formula): Rule =>
  (node, dys, needed) =>
    body(dys[0] as Value, node.inputs as readonly Value[], node.outputs[0] as Value, needed, node);

/** For y = f(x), elementwise. */
const pointwise = (body: (dy: Value, x: Value, y: Value) => Value): Rule =>
  formula((dy, [x], y) => [body(dy, x as Value, y)]);

/** For y = f(a, b), elementwise with broadcasting: what was repeated going forward is summed going back. */
const broadcasting = (body: readonly [BinaryPart, BinaryPart]): Rule =>
  formula((dy, [a, b], _, needed) => {
    const operands = [a as Value, b as Value] as const;
    return operands.map((operand, i) =>
      needed[i] ? sumTo((body[i] as BinaryPart)(dy, ...operands), operand) : undefined,
    );
  });
type BinaryPart = (dy: Value, a: Value, b: Value) => Value;

/** Sums a gradient over the axes along which `like` was broadcast. */
function sumTo(gradient: Value, like: Value): Value {
  const axes = repeatedAxes(like.shape, gradient.shape);
  const summed = axes.length > 0 ? reduceSum(gradient, axes) : gradient;
  return summed.shape.length === like.shape.length ? summed : reshape(summed, like.shape);
}

const numberAttribute = (node: Node, name: string): number => {
  const value = node.attributes[name];
  if (typeof value === "number") return value;
  if (typeof value === "object" && "float" in value) return value.float;
  throw new Error(`${node.op}: no numeric attribute "${name}"`);
};

const one = (like: Value): Value => like.graph.scalar(1, like.dtype);

/** Axes of a reduction, taken from its constant operand. */
function reductionAxes(node: Node): number[] {
  const [x, axes] = node.inputs as [Value, Value];
  const data = x.graph.constants.get(axes)?.data as BigInt64Array;
  return Array.from(data, Number);
}

/** The gradient of a reduction with its reduced axes back, as size 1. */
function kept(dy: Value, x: Value, node: Node): Value {
  const axes = new Set(reductionAxes(node).map((axis) => (axis < 0 ? x.shape.length + axis : axis)));
  return reshape(
    dy,
    x.shape.map((dim, axis) => (axes.has(axis) ? 1 : dim)),
  );
}

/** Matrix products: with Y = op(A)·op(B), dA and dB are products of dY with the other operand. */
const matrixProduct: Rule = formula((dy, [a, b], _, needed, node) => {
  const transA = node.op === "FusedMatMul" && numberAttribute(node, "transA") === 1;
  const transB = node.op === "FusedMatMul" && numberAttribute(node, "transB") === 1;
  const alpha = node.op === "FusedMatMul" ? numberAttribute(node, "alpha") : 1;
  const [left, right] = [a as Value, b as Value];
  const da = () =>
    transA ? matmul(right, dy, { transA: transB, transB: true, alpha }) : matmul(dy, right, { transB: !transB, alpha });
  const db = () =>
    transB ? matmul(dy, left, { transA: true, transB: transA, alpha }) : matmul(left, dy, { transA: !transA, alpha });
  return [needed[0] ? sumTo(da(), left) : undefined, needed[1] ? sumTo(db(), right) : undefined];
});

const gemmRule: Rule = formula((dy, [a, b, addend], _, needed, node) => {
  const transA = numberAttribute(node, "transA") === 1;
  const transB = numberAttribute(node, "transB") === 1;
  const alpha = numberAttribute(node, "alpha");
  const [left, right] = [a as Value, b as Value];
  const da = () =>
    transA ? gemm(right, dy, { transA: transB, transB: true, alpha }) : gemm(dy, right, { transB: !transB, alpha });
  const db = () =>
    transB ? gemm(dy, left, { transA: true, transB: transA, alpha }) : gemm(left, dy, { transA: !transA, alpha });
  return [
    needed[0] ? da() : undefined,
    needed[1] ? db() : undefined,
    addend && needed[2] ? sumTo(dy, addend) : undefined,
  ];
});

/**
 * y = x·w/rms(x). With g = dy·w and i = 1/rms(x): dx = g·i - x·i³·mean(g·x). i is computed again because the operator's
 * second output is wrong on WebGPU.
 */
const rmsNormRule: Rule = formula((dy, [x, weight], _, needed, node) => {
  const [input, gain] = [x as Value, weight as Value];
  const meanSquare = reduceMean(mul(input, input), [-1]);
  const epsilon = input.graph.scalar(numberAttribute(node, "epsilon"), input.dtype);
  const inverse = reciprocal(sqrt(add(meanSquare, epsilon)));
  const dx = () => {
    const g = mul(dy, gain);
    const inverseCubed = mul(inverse, mul(inverse, inverse));
    const pull = mul(reduceMean(mul(g, input), [-1]), inverseCubed);
    return sub(mul(g, inverse), mul(input, pull));
  };
  return [needed[0] ? dx() : undefined, needed[1] ? sumTo(mul(dy, mul(input, inverse)), gain) : undefined];
});

/**
 * y = n·w + b with n = (x - mean x)·i, i = 1/deviation. With g = dy·w: dx = i·(g - mean g - n·mean(g·n)).
 */
const layerNormRule: Rule = formula((dy, [x, weight, bias], _, needed, node) => {
  const [input, gain, shift] = [x as Value, weight as Value, bias as Value];
  const centred = sub(input, reduceMean(input, [-1]));
  const epsilon = input.graph.scalar(numberAttribute(node, "epsilon"), input.dtype);
  const inverse = reciprocal(sqrt(add(reduceMean(mul(centred, centred), [-1]), epsilon)));
  const normed = mul(centred, inverse);
  const dx = () => {
    const g = mul(dy, gain);
    const pull = add(reduceMean(g, [-1]), mul(normed, reduceMean(mul(g, normed), [-1])));
    return mul(inverse, sub(g, pull));
  };
  return [
    needed[0] ? dx() : undefined,
    needed[1] ? sumTo(mul(dy, normed), gain) : undefined,
    needed[2] ? sumTo(dy, shift) : undefined,
  ];
});

/** d/dx of the tanh approximation of GELU, c = sqrt(2/pi): y = x/2·(1 + t), t = tanh(c·(x + 0.044715·x³)). */
const geluRule: Rule = pointwise((dy, x) => {
  const c = Math.sqrt(2 / Math.PI);
  const square = mul(x, x);
  const t = tanh(scale(mul(x, add(one(x), scale(square, 0.044715))), c));
  const slope = scale(mul(sub(one(x), mul(t, t)), add(one(x), scale(square, 3 * 0.044715))), c);
  const half = add(add(one(x), t), mul(x, slope));
  return scale(mul(dy, half), 0.5);
});

/** y = x·s, s = sigmoid(x): dx = dy·(s + y·(1 - s)). */
const siluRule: Rule = formula((dy, [x], y, _, node) => {
  if (numberAttribute(node, "alpha") !== 1) throw new Error("QuickGelu with another alpha than 1 has no gradient");
  const s = sigmoid(x as Value);
  return [mul(dy, add(s, mul(y, sub(one(y), s))))];
});

/** A rotation's transpose is the rotation by the opposite angle. */
const rotaryRule: Rule = formula((dy, [, positions, cos, sin], _, _needed, node) => {
  const rotation: Rotary = {
    positions: positions as Value,
    cos: cos as Value,
    sin: neg(sin as Value),
    heads: numberAttribute(node, "num_heads"),
    rotated: numberAttribute(node, "rotary_embedding_dim"),
    interleaved: numberAttribute(node, "interleaved") === 1,
  };
  return [rotary(dy, rotation)];
});

/** Rows that were looked up several times collect all their gradients. */
const gatherRule: Rule = formula((dy, [table, indices]) => {
  const [rows, at] = [table as Value, indices as Value];
  const width = rows.shape.slice(1);
  const flat = reshape(dy, ["rows gathered", ...width]);
  return [scatterRowsAdd(zerosLike(rows), reshape(at, ["rows gathered", 1]), flat)];
});

/** Operators that only run forward: for inference, on weights that do not train, for the gradients of others, or detached. */
type ForwardOnly =
  | "Abs"
  | "ArgMax"
  | "BitShift"
  | "BitwiseAnd"
  | "Cast"
  | "DequantizeLinear"
  | "Floor"
  | "GroupQueryAttention"
  | "MatMulIntegerToFloat"
  | "MatMulNBits"
  | "Max"
  | "ReduceMax"
  | "Round"
  | "ScatterND"
  | "Size"
  | "SkipSimplifiedLayerNormalization";

/** Operators that a gradient can pass through. */
export type Differentiable = Exclude<Op, ForwardOnly>;

export const rules: { readonly [D in Differentiable]: Rule } = {
  Add: broadcasting([(dy) => dy, (dy) => dy]),
  Sub: broadcasting([(dy) => dy, (dy) => neg(dy)]),
  Mul: broadcasting([(dy, _, b) => mul(dy, b), (dy, a) => mul(dy, a)]),
  Div: broadcasting([(dy, _, b) => div(dy, b), (dy, a, b) => neg(div(mul(dy, a), mul(b, b)))]),
  Neg: pointwise((dy) => neg(dy)),
  Exp: pointwise((dy, _, y) => mul(dy, y)),
  Log: pointwise((dy, x) => div(dy, x)),
  Sqrt: pointwise((dy, _, y) => scale(div(dy, y), 0.5)),
  Reciprocal: pointwise((dy, _, y) => neg(mul(dy, mul(y, y)))),
  Tanh: pointwise((dy, _, y) => mul(dy, sub(one(y), mul(y, y)))),
  Sigmoid: pointwise((dy, _, y) => mul(dy, mul(y, sub(one(y), y)))),
  Gelu: geluRule,
  Identity: pointwise((dy) => dy),
  Softmax: pointwise((dy, _, y) => {
    const weighted = mul(dy, y);
    return sub(weighted, mul(y, reduceSum(weighted, [-1])));
  }),
  ReduceSum: formula((dy, [x], _, __, node) => [expandLike(kept(dy, x as Value, node), x as Value)]),
  ReduceMean: formula((dy, [x], _, __, node) => {
    const input = x as Value;
    const sizes = reductionAxes(node).map((axis) => input.shape.at(axis) as number | string);
    const count = staticSize(sizes);
    if (count === undefined)
      throw new Error(`ReduceMean over axes of unknown size ${showShape(sizes)} has no gradient`);
    return [expandLike(scale(kept(dy, input, node), 1 / count), input)];
  }),
  MatMul: matrixProduct,
  FusedMatMul: matrixProduct,
  Gemm: gemmRule,
  Reshape: pointwise((dy, x) => reshape(dy, x.shape)),
  Transpose: formula((dy, _, __, ___, node) => {
    const permutation = node.attributes.perm as readonly number[];
    return [
      transpose(
        dy,
        permutation.map((_axis, i) => permutation.indexOf(i)),
      ),
    ];
  }),
  Expand: pointwise((dy, x) => sumTo(dy, x)),
  Concat: (node, [dy], needed) => {
    const axis = numberAttribute(node, "axis");
    const parts = node.inputs as readonly Value[];
    return sliceParts(dy as Value, parts, axis).map((part, i) => (needed[i] ? part : undefined));
  },
  Split: (node, dys) => {
    const parts = node.outputs.map((output, i) => dys[i] ?? zerosLike(output));
    return [concat(parts, numberAttribute(node, "axis"))];
  },
  Gather: gatherRule,
  GatherElements: formula((dy, [x, indices]) => [scatterElementsAdd(zerosLike(x as Value), indices as Value, dy)]),
  ScatterElements: formula((dy, [, indices], _, needed) => [
    dy,
    undefined,
    needed[2] ? gatherElements(dy, indices as Value) : undefined,
  ]),
  LayerNormalization: layerNormRule,
  SimplifiedLayerNormalization: rmsNormRule,
  QuickGelu: siluRule,
  RotaryEmbedding: rotaryRule,
  // The sizes of a value do not change with its elements.
  Shape: () => [],
};

/** The ranges of `dy` that belong to the parts of a concatenation. */
function sliceParts(dy: Value, parts: readonly Value[], axis: number): readonly Value[] {
  const sizes = parts.map((part) => part.shape[axis] as Dim);
  // A size that no input has is not there when the graph runs.
  const { inputs } = dy.graph;
  if (!sizes.every((size) => typeof size === "number" || inputs.some(({ shape }) => shape.includes(size)))) {
    throw new Error(`Concat along sizes [${sizes.join(", ")}] that are unknown has no gradient`);
  }
  return split(dy, sizes, axis);
}
