/**
 * @file Low-rank slots: the places in a forward graph where any adapter fits. Feeding other tensors swaps the adapter;
 * rank 0 means none, and a batch may have another adapter in each row.
 */

import type { Tensors } from "../backend/program.ts";
import { add, gather, matmul, mul, reshape } from "../graph/ops.ts";
import { oneOr } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";
import type { ModuleSpec, ParameterBinder } from "../models/context.ts";
import { type FloatTensor, filled, tensor } from "../tensor.ts";
import type { AdapterEffect } from "./adapter.ts";

/** A module with a place for updates. */
export interface Slot extends ModuleSpec {
  /** Whether the base's product is multiplied by gains, too. */
  readonly gains?: true;
}

const slotNames = (module: string) => ({
  down: `${module}.down`,
  up: `${module}.up`,
  gain: `${module}.gain`,
  /** Where each row's table begins, where the rows' tables lie one below the other. */
  offsets: `${module}.offsets`,
});

/** Where graphs need slots for a batch: at these modules whatever it has, at others where an effect is, with gains where one has them. */
export function slotsFor(
  everywhere: readonly ModuleSpec[],
  others: readonly ModuleSpec[],
  effects: readonly (AdapterEffect | undefined)[],
): readonly Slot[] {
  const has = ({ name }: ModuleSpec): boolean => effects.some((effect) => effect?.lowRank?.has(name));
  const more = others.filter(has);
  const slots = more.length === 0 ? everywhere : [...everywhere, ...more];
  const gained = ({ name }: ModuleSpec): boolean => effects.some((effect) => effect?.lowRank?.get(name)?.gain);
  return slots.some(gained) ? slots.map((slot) => (gained(slot) ? { ...slot, gains: true } : slot)) : slots;
}

/** What tells graphs with other slots apart. */
export const slotKey = ({ name, gains }: Slot): string => (gains ? `${name} gained` : name);

/**
 * Makes each module's output x·W·gain + x·down·up, with `down` [rows or 1, in, r], `up` [rows or 1, r, out] and `gain`
 * [rows or 1, 1, out] as inputs.
 */
export function withSlots(context: ParameterBinder, slots: readonly Slot[]): ParameterBinder {
  const called = (embeds: boolean) =>
    new Map(
      slots.filter((slot) => (slot.embeds === true) === embeds).map((slot) => [slot.sharesWith ?? slot.name, slot]),
    );
  const [linear, embedded] = [called(false), called(true)];
  const inputs = ({ name, in: width, out }: Slot) => {
    const [names, rank, rows] = [slotNames(name), `${name} rank`, oneOr("batch")];
    return {
      down: context.graph.input(names.down, "float32", [rows, width, rank]),
      up: context.graph.input(names.up, "float32", [rows, rank, out]),
    };
  };
  /** [batch, tokens of a row, out] */
  const gained = ({ name, out }: Slot, y: Value): Value =>
    mul(y, context.graph.input(slotNames(name).gain, "float32", [oneOr("batch"), 1, out]));
  return {
    ...context,
    linear(x, module, options = {}) {
      const slot = linear.get(module);
      if (!slot) return context.linear(x, module, options);
      const y = context.linear(x, module, slot.gains ? {} : options);
      const { down, up } = inputs(slot);
      const update = matmul(matmul(reshape(x, ["batch", "tokens of a row", slot.in]), down), up);
      const flat = (rows: Value): Value => reshape(rows, [x.shape[0] as string, slot.out]);
      if (!slot.gains) return add(y, flat(update));
      const sum = flat(add(gained(slot, reshape(y, ["batch", "tokens of a row", slot.out])), update));
      return options.bias ? add(sum, context.parameter(`${module}.bias`)) : sum;
    },
    embed(ids, module) {
      const y = context.embed(ids, module);
      const slot = embedded.get(module);
      if (!slot) return y;
      const { down, up } = inputs(slot);
      const offsets = context.graph.input(slotNames(slot.name).offsets, "int64", [oneOr("batch"), 1]);
      const rows = reshape(down, ["rows of all", down.shape[2] as string]);
      const update = matmul(gather(rows, add(ids, offsets)), up);
      return add(slot.gains ? gained(slot, y) : y, update);
    },
  };
}

/**
 * The slots' tensors for a batch. Equal effects in all rows are fed once; where ranks differ, zeros fill up.
 * @param effects one per row; undefined = the base alone
 */
export function slotTensors(slots: readonly Slot[], effects: readonly (AdapterEffect | undefined)[]): Tensors {
  const rows = effects.every((effect) => effect === effects[0]) ? effects.slice(0, 1) : effects;
  const tensors: Tensors = {};
  for (const slot of slots) {
    const updates = rows.map((effect) => effect?.lowRank?.get(slot.name));
    const names = slotNames(slot.name);
    const rank = Math.max(0, ...updates.map((update) => update?.up.shape[0] ?? 0));
    const [downs, ups] = [updates.map((update) => update?.down), updates.map((update) => update?.up)];
    tensors[names.down] = stacked(downs, slot.in, rank);
    tensors[names.up] = stacked(ups, rank, slot.out);
    if (slot.gains) {
      const gains = updates.map((update) => update?.gain ?? filled([slot.out], 1));
      const lines = gains.map(({ data }) => tensor("float32", [1, slot.out], data));
      tensors[names.gain] = stacked(lines, 1, slot.out);
    }
    if (slot.embeds) {
      const starts = BigInt64Array.from(rows, (_, row) => BigInt(row * slot.in));
      tensors[names.offsets] = tensor("int64", [rows.length, 1], starts);
    }
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
