/**
 * @file Gradient checkpointing: of a chain of blocks only their inputs are kept, and a gradient that goes back through a block first
 * finds its inner values made again. Source: Chen et al. 2016.
 *
 * onnxruntime decides when a node runs by what it reads alone. So that no block is made again early, and none is kept until later,
 * two things wait for others: a block's input, seen from the copies of its nodes, for the gradient of the block's output; and
 * that gradient for all gradients that the block above gives to parameters.
 */
import { add, cast, emitOne, gather, mul, reshape } from "./ops.ts";
import type { Node, Value } from "./value.ts";

/** The nodes between two checkpoints, or after the last, as a gradient going back meets them. */
interface Stretch {
  /** The node before its first. */
  readonly start: number;
  /** What stands for its nodes; none where they are as they were, as after the last checkpoint. */
  readonly copies?: ReadonlyMap<Node, Node>;
  /** Gradients that it has given to what lies outside: parameters, and what is made of them alone. */
  readonly given: Set<Value>;
}

export class Recomputation {
  readonly #forward: readonly Node[];
  readonly #places: ReadonlyMap<Node, number>;
  readonly #checkpoints: readonly Value[];
  #stretch: Stretch;

  /**
   * @param forward all nodes, in their order
   * @param checkpoints each the input of a block, and the output of the one before it
   */
  constructor(forward: readonly Node[], checkpoints: readonly Value[]) {
    this.#forward = forward;
    this.#places = new Map(forward.map((node, i) => [node, i]));
    this.#checkpoints = checkpoints;
    this.#stretch = { start: this.#placeOf(checkpoints.at(-1)), given: new Set() };
  }

  /** Called with each node going back, before its own gradients. Where it makes a checkpoint, the block that ends there begins. */
  reach(node: Node, gradient: Map<Value, Value>): void {
    const at = this.#checkpoints.findIndex((checkpoint) => checkpoint.node === node);
    if (at < 0) return;
    const [output, input] = [this.#checkpoints[at] as Value, this.#checkpoints[at - 1]];
    const dy = gradient.get(output);
    const start = this.#placeOf(input);
    if (!dy) {
      this.#stretch = { start, given: new Set() };
      return;
    }
    const [last, late] = after([dy, ...this.#stretch.given], input ? [dy, input] : [dy]) as [Value, Value?];
    gradient.set(output, last);
    const copies = input && late && this.#copies(input, late, start, this.#placeOf(output));
    this.#stretch = { start, given: new Set(), ...(copies ? { copies } : {}) };
  }

  /** The node whose operands and results are there when the gradient comes by. */
  now = (node: Node): Node => this.#stretch.copies?.get(node) ?? node;

  /** Called with every gradient, or part of one, that the nodes of the block give. */
  give(to: Value, gradient: Value): void {
    if (!this.#isInner(to)) this.#stretch.given.add(gradient);
  }

  #isInner(value: Value): boolean {
    if (this.#checkpoints.includes(value)) return true;
    const { start, copies } = this.#stretch;
    if (!value.node) return false;
    return copies ? copies.has(value.node) : (this.#places.get(value.node) as number) > start;
  }

  /** Of the nodes that depend on the input, which `late` stands for: what is made of parameters alone is no larger than they are, and stays. */
  #copies(input: Value, late: Value, start: number, end: number): Map<Node, Node> {
    const values = new Map<Value, Value>([[input, late]]);
    const copies = new Map<Node, Node>();
    for (const node of this.#forward.slice(start + 1, end + 1)) {
      if (!node.inputs.some((operand) => operand && values.has(operand))) continue;
      const operands = node.inputs.map((operand) => operand && (values.get(operand) ?? operand));
      const made = input.graph.emit(node.op, operands, node.outputs, node.attributes);
      node.outputs.forEach((output, i) => {
        values.set(output, made[i] as Value);
      });
      copies.set(node, made[0]?.node as Node);
    }
    return copies;
  }

  #placeOf(checkpoint: Value | undefined): number {
    return checkpoint?.node ? (this.#places.get(checkpoint.node) ?? -1) : -1;
  }
}

/** The values themselves, uncopied, but not before others are there, whose numbers change nothing, be they infinite or none. */
export function after(others: readonly Value[], values: readonly Value[]): Value[] {
  const [{ graph }] = others as [Value];
  const nothing = graph.options.feedsWeights ? firstsTimesZero(others) : sizesTimesZero(others);
  return values.map((value) => {
    const sizes = value.shape.map((dim) => (typeof dim === "number" ? dim : -1));
    const isOpen = sizes.filter((size) => size < 0).length > 1;
    const shape = add(isOpen ? graph.runtimeShape(value.shape) : graph.indices(sizes), nothing);
    return emitOne("Reshape", [value, shape], value.dtype, value.shape);
  });
}

/** 0, int64: of sizes alone, which are not known before. */
function sizesTimesZero(values: readonly Value[]): Value {
  const sizes = values.map((value) => emitOne("Size", [value], "int64", []));
  return mul(sizes.reduce(add), zero(sizes[0] as Value));
}

/** The same where values lie on a device, which has no operator for sizes: one number crosses, not all. */
function firstsTimesZero(values: readonly Value[]): Value {
  const firsts = values.map((value) => gather(reshape(value, ["elements"]), value.graph.indices([0])));
  // Any float is some integer then, and 0 times that is 0.
  return mul(cast(cast(firsts.reduce(add), "int32"), "int64"), zero(firsts[0] as Value));
}

const zero = ({ graph }: Value): Value => graph.constant("int64", [], BigInt64Array.of(0n));
