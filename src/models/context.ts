/** @file How a model meets its parameters. Adapters wrap this, so a model file never knows whether it is adapted. */
import { gemm } from "../graph/ops.ts";
import type { Graph, Value } from "../graph/value.ts";

/** A tensor of a model or of an adapter, before it has a value. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A linear module: its weight is `${name}.weight` [out, in]. */
export interface ModuleSpec {
  readonly name: string;
  readonly in: number;
  readonly out: number;
}

export interface ModelContext {
  readonly graph: Graph;
  /** A base parameter by its checkpoint name. */
  parameter(name: string): Value;
  /** x [tokens, in] through the linear module of that name (weight [out, in], and bias if it has one): [tokens, out]. */
  linear(x: Value, module: string, options?: { bias?: boolean }): Value;
}

/** Turns a base parameter's name into its value in a graph: a weight mapped from its file, or an input. */
export type Bind = (graph: Graph, name: string) => Value;

/** The unadapted model: every parameter is what `bind` makes of its name. */
export function baseContext(graph: Graph, bind: (name: string) => Value): ModelContext {
  const bound = new Map<string, Value>();
  const parameter = (name: string): Value => {
    const value = bound.get(name) ?? bind(name);
    bound.set(name, value);
    return value;
  };
  return contextFrom(graph, parameter);
}

/** A context whose linear modules multiply by the parameters that `parameter` gives. */
export function contextFrom(graph: Graph, parameter: (name: string) => Value): ModelContext {
  return {
    graph,
    parameter,
    linear: (x, module, { bias = false } = {}) =>
      gemm(x, parameter(`${module}.weight`), { transB: true }, bias ? parameter(`${module}.bias`) : undefined),
  };
}
