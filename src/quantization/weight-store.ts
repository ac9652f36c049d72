/** @file Base weights as a loaded model holds them, each in its form, brought into graphs. */

import { halfProduct, widenedProduct } from "../graph/half.ts";
import { cast } from "../graph/ops.ts";
import { afterInput } from "../graph/pieces.ts";
import { partsOf, productOfParts, rowsOfParts } from "../graph/tables.ts";
import type { FileRange, Value } from "../graph/value.ts";
import type { BindWeights } from "../models/context.ts";
import { rangeOf } from "../weights/stored.ts";
import { type Form, throughFloats } from "./form.ts";
import { codesRange, type PreparedWeight } from "./prepared-file.ts";

/** A parameter in floats, somewhere in a file. */
export interface FloatWeight {
  readonly dtype: "float32" | "float16" | "bfloat16";
  readonly shape: readonly number[];
  readonly range: FileRange;
}

/** A linear module's weight [out, in] in fewer bits. */
export interface QuantizedMatrix {
  readonly form: Form;
  readonly in: number;
  readonly out: number;
  readonly prepared: PreparedWeight;
}

/** By parameter name. What is in fewer bits may be in floats, too: a table that is looked up and multiplied by. */
export interface WeightStore {
  readonly floats: ReadonlyMap<string, FloatWeight>;
  readonly matrices: ReadonlyMap<string, QuantizedMatrix>;
}

/** Brings the weights into graphs. In those that weights meet with many rows, as in training, gradients pass them. */
export function bindStore({ floats, matrices }: WeightStore): BindWeights {
  // Where kernels pack weights before the first run, float32 matrices would be packed, too, and thereby copied.
  const packs = [...matrices.values()].some(({ prepared }) => prepared.packed.length > 0);
  return (graph) => {
    const bound = new Map<string, Value>();
    const floatsOf = (name: string): Value => {
      const known = bound.get(name);
      if (known) return known;
      const held = floats.get(name);
      if (!held) throw new Error(`the model holds no parameter ${name} as floats`);
      const value = graph.weight(name, held.dtype, held.shape, held.range);
      bound.set(name, value);
      return value;
    };
    const parameter = (name: string): Value => cast(floatsOf(name), "float32");
    const halves = new Map<Value, Value>();
    const halfOf = (x: Value): Value => {
      const half = halves.get(x) ?? cast(x, "float16");
      halves.set(x, half);
      return half;
    };
    const floatProduct = (x: Value, name: string, bias?: string): Value => {
      const matrix = floatsOf(name);
      const [parts, addend] = [partsOf(matrix), bias === undefined ? undefined : floatsOf(bias)];
      if (matrix.dtype === "float16") {
        return throughFloats(graph) ? widenedProduct(x, parts, addend) : halfProduct(halfOf(x), parts, addend);
      }
      const placed = parts.map((part) => ({ ...part, rows: packs ? afterInput(part.rows, x) : part.rows }));
      return productOfParts(x, placed, addend);
    };
    return {
      graph,
      parameter,
      linear(x, module, { bias = false } = {}) {
        const [name, addend] = [`${module}.weight`, bias ? `${module}.bias` : undefined];
        const matrix = matrices.get(name);
        if (!matrix) return floatProduct(x, name, addend);
        const { form, prepared, ...size } = matrix;
        // A tied table's name is taken by its floats.
        const placed = { ...size, codes: codesRange(prepared), scales: rangeOf(prepared.scales) };
        return form.product(x, `${name} codes`, placed, addend === undefined ? addend : parameter(addend));
      },
      embed: (ids, module) => rowsOfParts(partsOf(floatsOf(`${module}.weight`)), ids),
    };
  };
}
