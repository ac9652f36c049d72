/** @file From models of few layers to one of many. */

/** Every number as it would be at `layers`, on the line through two models of other numbers of layers. */
export function extrapolated<K extends string>(
  few: { readonly layers: number; readonly figures: Readonly<Record<K, number>> },
  more: { readonly layers: number; readonly figures: Readonly<Record<K, number>> },
  layers: number,
): Record<K, number> {
  const factor = (layers - more.layers) / (more.layers - few.layers);
  const keys = Object.keys(more.figures) as K[];
  return Object.fromEntries(
    keys.map((key) => [key, more.figures[key] + factor * (more.figures[key] - few.figures[key])]),
  ) as Record<K, number>;
}

/** Measures models of those layers, one after the other. The figures are of a model with `all`. */
export async function acrossLayers<K extends string, M extends { readonly figures: Readonly<Record<K, number>> }>(
  all: number,
  layers: readonly number[],
  measure: (layers: number) => Promise<M>,
): Promise<{ readonly figures: M["figures"]; readonly seen: readonly M[] }> {
  const seen: (M & { readonly layers: number })[] = [];
  for (const some of layers) seen.push({ ...(await measure(some)), layers: some });
  const [few, more] = seen as [(typeof seen)[number], (typeof seen)[number] | undefined];
  return { figures: more ? extrapolated<K>(few, more, all) : few.figures, seen };
}
