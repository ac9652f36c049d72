/**
 * @file Low-rank slots: the places in a forward graph where any adapter fits. Feeding other tensors swaps the adapter;
 * rank 0 means none, and a batch may have another adapter in each row.
 */

import type { Tensors } from "../backend/program.ts";
import { add, matmul, reshape } from "../graph/ops.ts";
import { oneOr } from "../graph/shape.ts";
import type { ModuleSpec, ParameterBinder } from "../models/context.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import type { AdapterEffect } from "./adapter.ts";

const slotNames = (module: string) => ({
  down: `${module}.down`,
  up: `${module}.up`,
});

/** Adds to each module's output x·down·up, with `down` [rows or 1, in, r] and `up` [rows or 1, r, out] as inputs. */
export function withSlots(context: ParameterBinder, modules: readonly ModuleSpec[]): ParameterBinder {
  const sizes = new Map(modules.map((module) => [module.name, module]));
  return {
    ...context,
    linear(x, module, options) {
      const y = context.linear(x, module, options);
      const size = sizes.get(module);
      if (!size) return y;
      const names = slotNames(module);
      const rank = `${module} rank`;
      const down = context.graph.input(names.down, "float32", [oneOr("batch"), size.in, rank]);
      const up = context.graph.input(names.up, "float32", [oneOr("batch"), rank, size.out]);
      const rows = reshape(x, ["batch", "tokens of a row", size.in]);
      return add(y, reshape(matmul(matmul(rows, down), up), [x.shape[0] as string, size.out]));
    },
  };
}

/**
 * The slots' tensors for a batch. Equal effects in all rows are fed once; where ranks differ, zeros fill up.
 * @param effects one per row; undefined = the base alone
 */
export function slotTensors(modules: readonly ModuleSpec[], effects: readonly (AdapterEffect | undefined)[]): Tensors {
  const rows = effects.every((effect) => effect === effects[0]) ? effects.slice(0, 1) : effects;
  const tensors: Tensors = {};
  for (const module of modules) {
    const pairs = rows.map((effect) => effect?.lowRank?.get(module.name));
    const names = slotNames(module.name);
    const rank = Math.max(0, ...pairs.map((pair) => pair?.up.shape[0] ?? 0));
    tensors[names.down] = stacked(
      pairs.map((pair) => pair?.down),
      module.in,
      rank,
    );
    tensors[names.up] = stacked(
      pairs.map((pair) => pair?.up),
      rank,
      module.out,
    );
  }
  return tensors;
}

/** Matrices of up to [height, width], one per row, as [rows, height, width]; missing parts are zeros. */
function stacked(matrices: readonly (FloatTensor | undefined)[], height: number, width: number): FloatTensor {
  const shape = [matrices.length, height, width];
  const [only] = matrices;
  if (matrices.length === 1 && only) return tensor("float32", shape, only.data);
  const data = new Float32Array(matrices.length * height * width);
  matrices.forEach((matrix, row) => {
    if (!matrix) return;
    const [rows, columns] = matrix.shape as [number, number];
    for (let i = 0; i < rows; i += 1) {
      const source = matrix.data.subarray(i * columns, (i + 1) * columns);
      data.set(source, (row * height + i) * width);
    }
  });
  return tensor("float32", shape, data);
}
