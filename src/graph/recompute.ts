/**
 * @file Gradient checkpointing: of a chain of blocks only their inputs are kept, and a gradient that goes back through a block first
 * finds its inner values made again. Source: Chen et al. 2016.
 *
 * onnxruntime decides when a node runs by what it reads alone. So that no block is made again early, and none is kept until later,
 * two things wait for others: a block's input, seen from the copies of its nodes, for the gradient of the block's output; and
 * that gradient for all gradients that the block above gives to parameters.
 */
import { add, emitOne, mul } from "./ops.ts";
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
    const { given } = this.#stretch;
    const last = given.size === 0 ? dy : after(dy, [...given]);
    gradient.set(output, last);
    const copies = input && this.#copies(input, start, this.#placeOf(output), last);
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

  /** Of the nodes that depend on the input: what is made of parameters alone is no larger than they are, and stays. */
  #copies(input: Value, start: number, end: number, dy: Value): Map<Node, Node> {
    const values = new Map<Value, Value>([[input, after(input, [dy])]]);
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

/**
 * The value itself, uncopied, but not before others are there. Of those only how many elements they have is read, which is not
 * known before: numbers of any kind, infinite ones too, change nothing.
 */
export function after(x: Value, others: readonly Value[]): Value {
  const { graph } = x;
  const sizes = others.map((other) => emitOne("Size", [other], "int64", []));
  const nothing = mul(sizes.reduce(add), graph.constant("int64", [], BigInt64Array.of(0n)));
  const sameSizes = x.shape.map((dim) => (typeof dim === "number" ? dim : -1));
  const shape = sameSizes.filter((dim) => dim < 0).length > 1 ? graph.runtimeShape(x.shape) : graph.indices(sameSizes);
  return emitOne("Reshape", [x, add(shape, nothing)], x.dtype, x.shape);
}
