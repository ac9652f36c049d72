/** @file Which adapters answer, in one form. */
import type { AdapterRef, AdapterSelection, WeightedAdapter } from "./engine.ts";

/** The adapters of a selection; none for the base. */
export function partsOf(selection: AdapterSelection): readonly WeightedAdapter[] {
  if (selection === null) return [];
  return isSingle(selection) ? [{ adapter: selection, weight: 1 }] : selection;
}

/** Adapters of weight 1 in their shortest form. */
export function selectionOf(adapters: readonly AdapterRef[]): AdapterSelection {
  const [first] = adapters;
  if (!first) return null;
  return adapters.length === 1 ? first : adapters.map((adapter) => ({ adapter, weight: 1 }));
}

const isSingle = (selection: AdapterRef | readonly WeightedAdapter[]): selection is AdapterRef =>
  !Array.isArray(selection);
