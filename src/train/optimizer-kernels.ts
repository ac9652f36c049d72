/**
 * @file The loops of AdamW over all parameters, four elements at a time. JavaScript computes one at a time, in doubles, and a step of
 * many parameters takes three times as long. Elements pass through the memory of the WebAssembly in blocks that a processor's
 * cache holds.
 */

import type { Code, WasmFunction } from "./wasm-module.ts";
import * as wasm from "./wasm-module.ts";

/** The numbers of a step that are the same for all elements of a parameter. */
export interface StepNumbers {
  /** Of the gradient: less than 1 when it is clipped. */
  readonly factor: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Learning rate, with both bias corrections. */
  readonly rate: number;
  /** With the bias correction of the squares. */
  readonly eps: number;
  /** What weight decay takes of a parameter, as a share of it. */
  readonly decay: number;
}

interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer };
  adamW(end: number, ...numbers: number[]): void;
  squares(end: number): number;
  accumulate(end: number, weight: number): void;
}

/** Node's types do not have it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Elements of a block. */
const BLOCK = 4096;
const FLOAT = Float32Array.BYTES_PER_ELEMENT;
const VECTOR = 4;
const { add, sub, mul, div, sqrt, splat, get, set, types, forEachVector } = wasm;

/** Where blocks lie in the memory, in bytes. */
const [GRADIENT, VALUE, MEAN, SQUARE] = [0, 1, 2, 3].map((i) => i * BLOCK * FLOAT) as [number, number, number, number];

/** With g = gradient·factor: m = m·beta1 + g·(1 - beta1), s = s·beta2 + g²·(1 - beta2), p -= p·decay + rate·m / (√s + eps). */
function adamWFunction(): WasmFunction {
  const scalars = ["factor", "beta1", "rest1", "beta2", "rest2", "rate", "eps", "decay"] as const;
  const names = [
    "end",
    ...scalars,
    "at",
    "g",
    "m",
    "s",
    "p",
    ...scalars.map((name) => `four ${name}` as const),
  ] as const;
  const local = (name: (typeof names)[number]): number => names.indexOf(name);
  const value = (name: (typeof names)[number]): Code => get(local(name));
  const four = (name: (typeof scalars)[number]): Code => value(`four ${name}`);
  const load = (place: number): Code => wasm.load(value("at"), place);
  const store = (place: number, what: "m" | "s" | "p"): Code => wasm.store(value("at"), place, value(what));
  const moved = add(
    mul(value("p"), four("decay")),
    div(mul(value("m"), four("rate")), add(sqrt(value("s")), four("eps"))),
  );
  return {
    name: "adamW",
    parameters: [types.i32, ...scalars.map(() => types.f32)],
    locals: [types.i32, ...names.slice(local("g")).map(() => types.v128)],
    body: [
      ...scalars.flatMap((name) => set(local(`four ${name}`), splat(value(name)))),
      ...forEachVector(local("at"), value("end"), [
        set(local("g"), mul(load(GRADIENT), four("factor"))),
        set(local("m"), add(mul(load(MEAN), four("beta1")), mul(value("g"), four("rest1")))),
        set(local("s"), add(mul(load(SQUARE), four("beta2")), mul(mul(value("g"), value("g")), four("rest2")))),
        set(local("p"), load(VALUE)),
        set(local("p"), sub(value("p"), moved)),
        ...[store(MEAN, "m"), store(SQUARE, "s"), store(VALUE, "p")],
      ]),
    ],
  };
}

/** The sum of squares of the gradient's block, in doubles. */
function squaresFunction(): WasmFunction {
  const [END, AT, FOUR, PAIR, LOWER, UPPER] = [0, 1, 2, 3, 4, 5] as const;
  const added = (sum: number, pair: Code): Code => [
    ...set(PAIR, wasm.doubles(pair)),
    ...set(sum, wasm.addDoubles(get(sum), wasm.mulDoubles(get(PAIR), get(PAIR)))),
  ];
  const loop = forEachVector(AT, get(END), [
    set(FOUR, wasm.load(get(AT), GRADIENT)),
    added(LOWER, get(FOUR)),
    added(UPPER, wasm.upper(get(FOUR))),
  ]);
  return {
    name: "squares",
    parameters: [types.i32],
    result: types.f64,
    locals: [types.i32, types.v128, types.v128, types.v128, types.v128],
    body: [...loop, ...set(LOWER, wasm.addDoubles(get(LOWER), get(UPPER))), ...wasm.sumOfDoubles(get(LOWER))],
  };
}

/** value += gradient·weight. */
function accumulateFunction(): WasmFunction {
  const [END, WEIGHT, AT, FOUR] = [0, 1, 2, 3] as const;
  const sum = add(wasm.load(get(AT), VALUE), mul(wasm.load(get(AT), GRADIENT), get(FOUR)));
  return {
    name: "accumulate",
    parameters: [types.i32, types.f32],
    locals: [types.i32, types.v128],
    body: [...set(FOUR, splat(get(WEIGHT))), ...forEachVector(AT, get(END), [wasm.store(get(AT), VALUE, sum)])],
  };
}

const made = once(() => {
  const pages = Math.ceil((4 * BLOCK * FLOAT) / wasm.PAGE);
  const module = new WebAssembly.Module(
    wasm.wasmModule([adamWFunction(), squaresFunction(), accumulateFunction()], pages),
  );
  const kernels = new WebAssembly.Instance(module).exports as Kernels;
  const block = (place: number): Float32Array => new Float32Array(kernels.memory.buffer, place, BLOCK);
  return { kernels, gradient: block(GRADIENT), value: block(VALUE), mean: block(MEAN), square: block(SQUARE) };
});

/** Where a block of so many elements ends, in whole vectors. What is beyond its last element is computed and not used. */
const endOf = (elements: number): number => Math.ceil(elements / VECTOR) * VECTOR * FLOAT;

/** Elements of a vector; itself, when it is all of them: a view takes as long as hundreds of elements. */
const part = (vector: Float32Array, from: number, to: number): Float32Array =>
  from === 0 && to === vector.length ? vector : vector.subarray(from, to);

function forEachBlock(elements: number, work: (from: number, to: number) => void): void {
  for (let from = 0; from < elements; from += BLOCK) work(from, Math.min(elements, from + BLOCK));
}

/** One step of a flat parameter, in place on `values`, `means` and `squares`. */
export function stepVector(
  { factor, beta1, beta2, rate, eps, decay }: StepNumbers,
  gradients: Float32Array,
  values: Float32Array,
  means: Float32Array,
  squares: Float32Array,
): void {
  const { kernels, gradient, value, mean, square } = made();
  forEachBlock(values.length, (from, to) => {
    const [v, m, s] = [part(values, from, to), part(means, from, to), part(squares, from, to)];
    gradient.set(part(gradients, from, to));
    value.set(v);
    mean.set(m);
    square.set(s);
    kernels.adamW(endOf(to - from), factor, beta1, 1 - beta1, beta2, 1 - beta2, rate, eps, decay);
    v.set(part(value, 0, to - from));
    m.set(part(mean, 0, to - from));
    s.set(part(square, 0, to - from));
  });
}

/** The sum of the elements' squares, in doubles. */
export function sumOfSquares(elements: Float32Array): number {
  const { kernels, gradient } = made();
  let sum = 0;
  forEachBlock(elements.length, (from, to) => {
    gradient.set(part(elements, from, to));
    gradient.fill(0, to - from, endOf(to - from) / FLOAT);
    sum += kernels.squares(endOf(to - from));
  });
  return sum;
}

/** Vectors of one length, each with a weight. */
export function weightedSum(
  vectors: readonly { readonly data: Float32Array; readonly weight: number }[],
): Float32Array {
  const { kernels, gradient, value } = made();
  const sum = new Float32Array(vectors[0]?.data.length ?? 0);
  forEachBlock(sum.length, (from, to) => {
    value.fill(0);
    for (const { data, weight } of vectors) {
      gradient.set(part(data, from, to));
      kernels.accumulate(endOf(to - from), weight);
    }
    sum.set(part(value, 0, to - from), from);
  });
  return sum;
}

function once<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}
