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
