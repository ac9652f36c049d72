/** @file A graph under construction: values, the nodes that make them, inputs, constants and weights bound to files. */
import type { DataOf, DType, Tensor } from "../tensor.ts";
import { elementSize, sizeOf, tensor } from "../tensor.ts";
import type { Op } from "./op.ts";

/** A size that is known when the graph is built, or the name of one that is known when it runs. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** A tensor to be: the output of a node, an input of the graph, or a constant. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that makes it; absent for inputs, constants and weights. */
  readonly node?: Node;
}

export type Attribute = number | string | readonly number[] | { readonly float: number };

/** One ONNX operator at work. An absent optional input is undefined. */
export interface Node {
  readonly op: Op;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A result of a graph. */
export interface Output {
  readonly name: string;
  readonly value: Value;
}

/** Where the bytes of a weight lie: a range of a file that onnxruntime maps into memory itself. */
export interface FileRange {
  /** Absolute path, symbolic links resolved. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** What kernels make of these bytes to compute with, made before and kept in the same file: then it is mapped, too. */
  readonly packed?: readonly Packed[];
}

/** A weight as one kind of kernel wants it. onnxruntime looks it up by the key that the kernel gives it. */
export interface Packed {
  readonly key: string;
  readonly parts: readonly { readonly offset: number; readonly bytes: number }[];
}

/** The gradient of a value to the one operand of it that has any, given that of the value. */
export interface CustomVjp {
  readonly operand: Value;
  gradient(dy: Value): Value;
}

export interface GraphOptions {
  /** Uses onnxruntime's own matrix product with transposing and scaling built in (float32 only). */
  readonly fusedMatMul?: boolean;
  /** Multiplies bytes in integer arithmetic, and takes them apart with shifts and masks; else by way of float32. */
  readonly byteArithmetic?: boolean;
  /** Bytes of the largest weight in floats; larger ones are parts of rows. */
  readonly largestWeight?: number;
  /** Adds and normalises in one operator, which has no gradient. */
  readonly fusedNorm?: boolean;
  /** Weights are fed, each as a whole: a part of one would be there twice. */
  readonly feedsWeights?: boolean;
  /** Weights meet many rows at a time, and have gradients: a graph for training. */
  readonly manyRows?: boolean;
}

/** Collects nodes in the order in which they run. Knows nothing of models. */
export class Graph {
  readonly options: GraphOptions;
  readonly nodes: Node[] = [];
  readonly inputs: Value[] = [];
  readonly outputs: Output[] = [];
  readonly constants: Map<Value, Tensor> = new Map();
  readonly weights: Map<Value, FileRange> = new Map();
  /** Values that gradients do not pass. */
  readonly detached: Set<Value> = new Set();
  /** Values whose gradient goes another way than through the nodes that made them. */
  readonly adjoints: Map<Value, CustomVjp> = new Map();
  readonly #interned = new Map<string, Value>();
  readonly #sizes = new Map<string, Value>();
  readonly #names = new Set<string>();
  #count = 0;

  constructor(options: GraphOptions = {}) {
    this.options = options;
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value: Value = { graph: this, name: this.#claim(name), dtype, shape };
    this.inputs.push(value);
    return value;
  }

  /** A weight that stays in its file; the same one where it is asked for again. */
  weight(name: string, dtype: DType, shape: readonly number[], range: FileRange): Value {
    const key = `${name} ${dtype}[${shape}] ${range.file} ${range.offset} ${range.bytes}`;
    const known = this.#interned.get(key);
    if (known) return known;
    const value: Value = { graph: this, name: this.#claim(name), dtype, shape };
    this.weights.set(value, range);
    this.#interned.set(key, value);
    return value;
  }

  /** Rows `from` to `to` of a weight or constant that is seen as [rows, ...]: a weight or constant itself, not a copy. */
  rows(whole: Value, shape: readonly number[], from: number, to: number): Value {
    const key = `${whole.name} [${shape}] ${from} to ${to}`;
    const known = this.#interned.get(key);
    if (known) return known;
    const width = sizeOf(shape.slice(1));
    const seen = [to - from, ...shape.slice(1)];
    const range = this.weights.get(whole);
    const data = this.constants.get(whole)?.data;
    if (!range && !data) throw new Error(`"${whole.name}" is neither a weight nor a constant`);
    const size = elementSize[whole.dtype];
    const part = range
      ? this.weight(key, whole.dtype, seen, {
          file: range.file,
          offset: range.offset + from * width * size,
          bytes: (to - from) * width * size,
        })
      : this.constant(whole.dtype, seen, data?.subarray(from * width, to * width) as DataOf[DType]);
    this.#interned.set(key, part);
    return part;
  }

  /** A constant inside the graph; equal constants of up to 64 elements are one. */
  constant<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D]): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = data.length <= 64 ? `${dtype}[${shape}] ${bytes.join()}` : undefined;
    const known = key === undefined ? undefined : this.#interned.get(key);
    if (known) return known;
    const value: Value = { graph: this, name: this.#name("const"), dtype, shape };
    this.constants.set(value, tensor(dtype, shape, data));
    if (key !== undefined) this.#interned.set(key, value);
    return value;
  }

  /** uint8 [count], all the same number. */
  filled(number: number, count: number): Value {
    const key = `${count} times ${number}`;
    const value = this.#interned.get(key) ?? this.constant("uint8", [count], new Uint8Array(count).fill(number));
    this.#interned.set(key, value);
    return value;
  }

  /** A float scalar of the given dtype. */
  scalar(number: number, dtype: DType = "float32"): Value {
    if (dtype === "float64") return this.constant("float64", [], Float64Array.of(number));
    if (dtype === "float32") return this.constant("float32", [], Float32Array.of(number));
    throw new TypeError(`scalar constants are float32 or float64, got ${dtype}`);
  }

  /** A list of int64, the form in which operators take shapes and axes. */
  indices(numbers: readonly number[]): Value {
    return this.constant("int64", [numbers.length], BigInt64Array.from(numbers, BigInt));
  }

  /** Marks a value as a result of the graph, under the name it is to have. */
  output(value: Value, name: string): void {
    const made = value.node !== undefined && !this.outputs.some((output) => output.value === value);
    // What no node makes, or is known by another name already, is copied by one that does nothing else.
    const [own = value] = made ? [value] : this.emit("Identity", [value], [value]);
    this.outputs.push({ name: this.#claim(name), value: own });
  }

  /** Appends a node. Use the functions of ops.ts, which infer the output types. */
  emit(
    op: Op,
    inputs: readonly (Value | undefined)[],
    outputs: readonly Pick<Value, "dtype" | "shape">[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly Value[] {
    for (const input of inputs) {
      if (input && input.graph !== this) throw new Error(`${op}: "${input.name}" belongs to another graph`);
    }
    const made: Value[] = [];
    const node: Node = { op, inputs, outputs: made, attributes };
    for (const { dtype, shape } of outputs) made.push({ graph: this, name: this.#name(op), dtype, shape, node });
    this.nodes.push(node);
    return made;
  }

  /** A shape as an int64 value, its symbols looked up when the graph runs. One that no input has becomes -1. */
  runtimeShape(shape: Shape): Value {
    if (shape.every((dim) => typeof dim === "number")) return this.indices(shape);
    const parts = shape.map((dim) => (typeof dim === "number" ? this.indices([dim]) : this.#sizeOfSymbol(dim)));
    return this.#once(showShape(shape), () =>
      this.emit("Concat", parts, [{ dtype: "int64", shape: [shape.length] }], { axis: 0 }),
    );
  }

  #sizeOfSymbol(symbol: string): Value {
    const input = this.inputs.find(({ shape }) => shape.includes(symbol));
    if (!input) return this.indices([-1]);
    const start = input.shape.indexOf(symbol);
    return this.#once(symbol, () =>
      this.emit("Shape", [input], [{ dtype: "int64", shape: [1] }], { start, end: start + 1 }),
    );
  }

  #once(key: string, make: () => readonly Value[]): Value {
    const value = this.#sizes.get(key) ?? (make()[0] as Value);
    this.#sizes.set(key, value);
    return value;
  }

  #name(prefix: string): string {
    this.#count += 1;
    return this.#claim(`${prefix}_${this.#count}`);
  }

  #claim(name: string): string {
    if (this.#names.has(name)) throw new Error(`the graph has a value "${name}" already: names must differ`);
    this.#names.add(name);
    return name;
  }
}

/** The nodes that some output depends on, in the order in which they run. */
export function liveNodes({ nodes, outputs }: Graph): Node[] {
  const needed = new Set(outputs.map(({ value }) => value));
  const live = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) if (input) needed.add(input);
    return true;
  });
  return live.reverse();
}

/** The weights that some output depends on, and where they lie. */
export function usedWeights(graph: Graph): [Value, FileRange][] {
  const used = new Set(liveNodes(graph).flatMap((node) => node.inputs));
  return [...graph.weights].filter(([value]) => used.has(value));
}

/** Elements of a shape whose sizes are all known, else undefined. */
export function staticSize(shape: Shape): number | undefined {
  return shape.every((dim) => typeof dim === "number") ? sizeOf(shape as readonly number[]) : undefined;
}

/** "[batch, seq, 128]", for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
