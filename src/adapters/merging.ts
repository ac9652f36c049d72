/** @file Adapters that become part of the weights: which can, and what a base parameter is with several of them in it. */
import { GlmError } from "../errors.ts";
import type { FloatTensor } from "../tensor.ts";
import type { Adapter, AdapterTensors } from "./adapter.ts";
import { mustBeFiniteSum, sumOfChanges } from "./combined-effect.ts";

/** An adapter whose effect becomes part of the weights, with its tensors as they are at one moment. */
export interface MergedAdapter {
  readonly adapter: Adapter;
  readonly tensors: AdapterTensors;
  /** How much its changes count. */
  readonly weight: number;
}

/** @throws GlmError "unsupported" for an adapter whose effect no weights can have */
export function mustMerge(name: string, { unmergeable, config }: Adapter): void {
  if (unmergeable === undefined) return;
  throw new GlmError(
    "unsupported",
    `${name}: ${config.method} ${unmergeable}: it cannot be merged. ` +
      `Save it beside the model instead: %adapter save ${name} FOLDER, or adapter.save(folder).`,
  );
}

/** Base parameters that any of them changes, by name. */
export const mergedNames = (merged: readonly MergedAdapter[]): ReadonlySet<string> =>
  new Set(merged.flatMap(({ adapter }) => [...adapter.mergeTargets]));

/** A base parameter with all that adapters change of it, each as if it were alone: a tensor of its own. */
export function mergedParameter(merged: readonly MergedAdapter[], name: string, base: FloatTensor): FloatTensor {
  const changing = merged.filter(({ adapter }) => adapter.mergeTargets.has(name));
  const [only] = changing;
  if (only?.weight === 1 && changing.length === 1) return only.adapter.merge(only.tensors, name, base);
  const sum = sumOfChanges(
    base,
    changing.map(({ adapter, tensors, weight }) => ({ value: adapter.merge(tensors, name, base), weight })),
  );
  mustBeFiniteSum(
    changing.map(({ adapter, weight }) => ({ name: adapter.config.method, weight })),
    [[name, sum]],
  );
  return sum;
}
