/** @file Reverse-mode differentiation: walks back from a scalar and appends the gradient as ordinary nodes. */
import type { Op } from "./op.ts";
import { add } from "./ops.ts";
import { Recomputation } from "./recompute.ts";
import { type Rule, rules } from "./rules.ts";
import { type Node, showShape, staticSize, type Value } from "./value.ts";

/**
 * The gradients of a scalar with respect to each of `wanted`, in their order. Nodes are appended to the same graph, and
 * only where a wanted value is reached: what is frozen costs nothing.
 * @param checkpoints values through which alone what is before each is connected with what is after it, in their order: all
 * that lies between two is made again going back, rather than kept
 * @throws when a wanted value does not influence `loss`, or an operator on the way has no gradient
 */
export function gradients(loss: Value, wanted: readonly Value[], checkpoints: readonly Value[] = []): Value[] {
  if (staticSize(loss.shape) !== 1) throw new Error(`gradients need a scalar, got ${showShape(loss.shape)}`);
  const { graph } = loss;
  const forward = [...graph.nodes];
  const active = reachable(forward, wanted);
  const gradient = new Map<Value, Value>([[loss, scalarOne(loss)]]);
  const recomputation = checkpoints.length > 0 ? new Recomputation(forward, checkpoints) : undefined;
  const pass = (input: Value, contribution: Value): void => {
    recomputation?.give(input, contribution);
    const before = gradient.get(input);
    gradient.set(input, before ? sum(before, contribution) : contribution);
  };

  for (const node of forward.toReversed()) {
    recomputation?.reach(node, gradient);
    const incoming = node.outputs.map((output) => gradient.get(output));
    if (!node.outputs.some((output) => active.has(output)) || incoming.every((dy) => dy === undefined)) continue;
    const [adjoint] = node.outputs.flatMap((output) => graph.adjoints.get(output) ?? []);
    if (adjoint) {
      if (active.has(adjoint.operand)) pass(adjoint.operand, adjoint.gradient(incoming[0] as Value));
      continue;
    }
    const needed = node.inputs.map((input) => input !== undefined && active.has(input));
    const contributions = ruleOf(node)(recomputation?.now(node) ?? node, incoming, needed);
    node.inputs.forEach((input, i) => {
      const contribution = contributions[i];
      if (input && needed[i] && contribution) pass(input, contribution);
    });
  }
  return wanted.map((value) => {
    const found = gradient.get(value);
    if (!found) throw new Error(`"${value.name}" does not influence "${loss.name}": it has no gradient`);
    return found;
  });
}

/** Everything that depends on one of the sources, the sources included. */
function reachable(nodes: readonly Node[], sources: readonly Value[]): Set<Value> {
  const active = new Set(sources);
  for (const node of nodes) {
    if (!node.inputs.some((input) => input && active.has(input))) continue;
    for (const output of node.outputs) if (!output.graph.detached.has(output)) active.add(output);
  }
  return active;
}

/** The sum of two gradients of one value. One that concerns a few elements is added to the other there, not everywhere. */
function sum(a: Value, b: Value): Value {
  return scatteredOnto(a, b) ?? scatteredOnto(b, a) ?? add(a, b);
}

/** `sparse`, when it is zeros to which something was added in places, with `dense` in the zeros' place. */
function scatteredOnto(dense: Value, sparse: Value): Value | undefined {
  const { node } = sparse;
  const [zeros, ...updates] = node?.inputs ?? [];
  if (!node || !zeros || !(node.op === "ScatterElements" || node.op === "ScatterND") || !isZeros(zeros)) return;
  return dense.graph.emit(node.op, [dense, ...updates], [dense], node.attributes)[0];
}

function isZeros({ graph, node }: Value): boolean {
  const [source] = node?.op === "Expand" ? node.inputs : [];
  const data = source && graph.constants.get(source)?.data;
  return data?.every((element) => Number(element) === 0) === true;
}

function ruleOf(node: Node): Rule {
  const table: Readonly<Partial<Record<Op, Rule>>> = rules;
  const rule = table[node.op];
  if (!rule) throw new Error(`${node.op} only runs forward: it has no gradient`);
  return rule;
}

/** 1 in the loss's own shape ([] or [1, ...]). */
function scalarOne(loss: Value): Value {
  const { graph, dtype, shape } = loss;
  const ones = shape.map(() => 1);
  return dtype === "float64"
    ? graph.constant("float64", ones, Float64Array.of(1))
    : graph.constant("float32", ones, Float32Array.of(1));
}
