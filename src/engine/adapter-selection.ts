/** @file Which adapters answer, in one form. */
import type { AdapterRef, AdapterSelection, WeightedAdapter } from "./engine.ts";

/** The adapters of a selection; none for the base. */
export function partsOf(selection: AdapterSelection): readonly WeightedAdapter[] {
  if (selection === null) return [];
  return isSingle(selection) ? [{ adapter: selection, weight: 1 }] : selection;
}

/** As users write it: "a + 0.5*b"; undefined for the base. */
export function selectionText(selection: AdapterSelection): string | undefined {
  const terms = partsOf(selection).map(({ adapter, weight }) => (weight === 1 ? "" : `${weight}*`) + adapter.name);
  return terms.length === 0 ? undefined : terms.join(" + ");
}

/** Adapters of weight 1 in their shortest form. */
export function selectionOf(adapters: readonly AdapterRef[]): AdapterSelection {
  const [first] = adapters;
  if (!first) return null;
  return adapters.length === 1 ? first : adapters.map((adapter) => ({ adapter, weight: 1 }));
}

const isSingle = (selection: AdapterRef | readonly WeightedAdapter[]): selection is AdapterRef =>
  !Array.isArray(selection);
