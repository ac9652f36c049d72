/** @file How many numbers an adapter trains, and how many there are with it: as PEFT counts them. */
import { sizeOf } from "../tensor.ts";
import type { Adapter, BaseModel } from "./adapter.ts";

export interface ParameterCounts {
  readonly trainableCount: number;
  /** Those of the base and of the adapter; what the adapter trains of the base counts once. */
  readonly allCount: number;
}

export function parameterCounts({ parameters, inPlace, counters = 0 }: Adapter, base: BaseModel): ParameterCounts {
  const ofBase = new Set(base.parameters.map(({ name }) => name));
  const own = parameters.filter(({ name }) => !ofBase.has(name) && !inPlace?.has(name));
  return {
    trainableCount: elements(parameters),
    allCount: (base.count ?? elements(base.parameters)) + elements(own) + counters,
  };
}

const elements = (parameters: BaseModel["parameters"]): number =>
  parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
