/**
 * @file AdamW as graphs, for devices on which values and moments stay. All tensors of a group are one vector: an operator over
 * each of them would cost more than what it computes.
 */
import { add, concat, div, identity, mul, reduceSum, reshape, split, sqrt, sub } from "../graph/ops.ts";
import { Graph, type Value } from "../graph/value.ts";
import type { ParameterSpec } from "../models/context.ts";
import { type FloatTensor, sizeOf, tensor } from "../tensor.ts";
import { decayFactor, type OptimizerConfig } from "./optimizer.ts";

export const partName = (part: number, parameter: string): string => `part ${part} of ${parameter}`;

/** Inputs: every parameter's tensor. Output: `flat` [elements], one after the other. */
export function flatGraph(parameters: readonly ParameterSpec[]): Graph {
  const graph = new Graph();
  const tensors = parameters.map(({ name, shape }) => graph.input(name, "float32", shape));
  graph.output(joined(tensors), "flat");
  return graph;
}

/** Input: `flat` [elements]. Outputs: every parameter's tensor, by its name. */
export function apartGraph(parameters: readonly ParameterSpec[]): Graph {
  const graph = new Graph();
  const flat = graph.input("flat", "float32", [elementsOf(parameters)]);
  takeApart(flat, parameters);
  return graph;
}

/** Input: `x` [elements]. Output: `y`, the same. */
export function copyGraph(): Graph {
  const graph = new Graph();
  graph.output(identity(graph.input("x", "float32", ["elements"])), "y");
  return graph;
}

/**
 * The weighted mean of gradients of several parts.
 * Inputs: each part's gradient of each parameter (`partName`); weights [parts], which sum to 1.
 * Outputs: mean [elements]; squares [1], the sum of its squares.
 */
export function meanGraph(parameters: readonly ParameterSpec[], parts: number): Graph {
  const graph = new Graph();
  const weights = split(
    graph.input("weights", "float32", [parts]),
    Array.from({ length: parts }, () => 1),
    0,
  );
  const mean = weights
    .map((weight, part) => {
      const tensors = parameters.map(({ name, shape }) => graph.input(partName(part, name), "float32", shape));
      return mul(joined(tensors), weight);
    })
    .reduce(add);
  graph.output(mean, "mean");
  graph.output(reduceSum(mul(mean, mean), [0]), "squares");
  return graph;
}

/** The numbers of a step, each [1]: see `adamW.update`. */
const STEP_NUMBERS = ["factor", "decay", "rate", "root", "eps", "kept mean", "kept square"] as const;

/**
 * A step of AdamW. Inputs: values, mean moment, square moment and gradient [elements]; `STEP_NUMBERS`.
 * Outputs: new values, new mean, new square [elements]; every parameter's tensor, by its name.
 */
export function updateGraph(parameters: readonly ParameterSpec[]): Graph {
  const graph = new Graph();
  const size = elementsOf(parameters);
  const [values, mean, square, gradient] = ["values", "mean", "square", "gradient"].map((name) =>
    graph.input(name, "float32", [size]),
  ) as [Value, Value, Value, Value];
  const [factor, decay, rate, root, eps, keptMean, keptSquare] = STEP_NUMBERS.map((name) =>
    graph.input(name, "float32", [1]),
  ) as [Value, Value, Value, Value, Value, Value, Value];
  const one = graph.scalar(1);
  const clipped = mul(gradient, factor);
  const newMean = add(mean, mul(sub(clipped, mean), sub(one, keptMean)));
  const newSquare = add(mul(square, keptSquare), mul(mul(clipped, clipped), sub(one, keptSquare)));
  const newValues = sub(mul(values, decay), div(mul(rate, newMean), add(div(sqrt(newSquare), root), eps)));
  graph.output(newMean, "new mean");
  graph.output(newSquare, "new square");
  graph.output(newValues, "new values");
  takeApart(newValues, parameters);
  return graph;
}

/**
 * See `adamW.update`, whose numbers these are.
 * @param parameters of the group: weight decay is for all of them, or for none
 */
export function stepNumbers(
  config: OptimizerConfig,
  step: number,
  norm: number,
  [first]: readonly ParameterSpec[],
): Record<string, FloatTensor> {
  const { lr, eps, clip } = config;
  const [beta1, beta2] = config.betas;
  const numbers: Record<(typeof STEP_NUMBERS)[number], number> = {
    factor: clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1,
    decay: decayFactor(config, first?.name ?? ""),
    rate: lr / (1 - beta1 ** step),
    root: Math.sqrt(1 - beta2 ** step),
    eps,
    "kept mean": beta1,
    "kept square": beta2,
  };
  return Object.fromEntries(
    Object.entries(numbers).map(([name, number]) => [name, tensor("float32", [1], Float32Array.of(number))]),
  );
}

const elementsOf = (parameters: readonly ParameterSpec[]): number =>
  parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

const joined = (tensors: readonly Value[]): Value =>
  concat(
    tensors.map((value) => reshape(value, [sizeOf(value.shape as readonly number[])])),
    0,
  );

/** Buffers that one kernel of a GPU may write to, of those eight that every GPU gives it. */
const MOST_OUTPUTS = 6;

/** Names every parameter's part of a vector as an output; many parts are cut from fewer, larger ones. */
function takeApart(flat: Value, parameters: readonly ParameterSpec[]): void {
  const [only] = parameters;
  if (only && parameters.length === 1) {
    flat.graph.output(reshape(flat, only.shape), only.name);
    return;
  }
  const count = Math.ceil(parameters.length / MOST_OUTPUTS);
  const groups = Array.from({ length: Math.ceil(parameters.length / count) }, (_, i) =>
    parameters.slice(i * count, (i + 1) * count),
  );
  for (const [i, part] of split(flat, groups.map(elementsOf), 0).entries()) takeApart(part, groups[i] ?? []);
}
