/** @file How a model meets its parameters. Adapters wrap this, so a model file never knows whether it is adapted. */
import { add, gather, gemm } from "../graph/ops.ts";
import type { Graph, Value } from "../graph/value.ts";

/** A tensor of a model or of an adapter, before it has a value. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A linear module, whose weight is `${name}.weight` [out, in], or an embedding module, with a table [in, out]. */
export interface ModuleSpec {
  readonly name: string;
  /** Of an embedding module: the vocabulary. */
  readonly in: number;
  readonly out: number;
  /** Its rows are looked up by token ids. */
  readonly embeds?: true;
  /** The module whose weight is its own, too, and under whose name graphs call it. */
  readonly sharesWith?: string;
}

export interface ParameterBinder {
  readonly graph: Graph;
  /** A base parameter by its checkpoint name, as float32. */
  parameter(name: string): Value;
  /** x [tokens, in] through the linear module of that name (weight [out, in], and bias if it has one): [tokens, out]. */
  linear(x: Value, module: string, options?: { bias?: boolean }): Value;
  /** Rows of an embedding module's table (weight [vocabulary, width]): ids [...] give [..., width]. */
  embed(ids: Value, module: string): Value;
}

/**
 * Brings a model's base weights into a graph: mapped from their files or fed, in float32 or in fewer bits. Called once a
 * graph, in which each parameter has one value.
 */
export type BindWeights = (graph: Graph) => ParameterBinder;

/** Turns a base parameter's name into its float32 value in a graph: a weight mapped from its file, or an input. */
export type Bind = (graph: Graph, name: string) => Value;

/** Base weights in float32, every one what `bind` makes of its name. */
export const floatWeights =
  (bind: Bind): BindWeights =>
  (graph) => {
    const bound = new Map<string, Value>();
    const parameter = (name: string): Value => {
      const value = bound.get(name) ?? bind(graph, name);
      bound.set(name, value);
      return value;
    };
    return {
      graph,
      parameter,
      linear: (x, module, { bias = false } = {}) =>
        gemm(x, parameter(`${module}.weight`), { transB: true }, bias ? parameter(`${module}.bias`) : undefined),
      embed: (ids, module) => gather(parameter(`${module}.weight`), ids),
    };
  };

/** The same model, with other float32 values for the parameters of these names. */
export function overridden(context: ParameterBinder, values: ReadonlyMap<string, Value>): ParameterBinder {
  const parameter = (name: string): Value => values.get(name) ?? context.parameter(name);
  return {
    graph: context.graph,
    parameter,
    linear(x, module, { bias = false } = {}) {
      const [weight, ownBias] = [values.get(`${module}.weight`), values.get(`${module}.bias`)];
      if (weight) return gemm(x, weight, { transB: true }, bias ? parameter(`${module}.bias`) : undefined);
      return bias && ownBias ? add(context.linear(x, module), ownBias) : context.linear(x, module, { bias });
    },
    embed(ids, module) {
      const table = values.get(`${module}.weight`);
      return table ? gather(table, ids) : context.embed(ids, module);
    },
  };
}
