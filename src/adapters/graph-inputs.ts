/** @file An adapter's parameters and numbers in a training graph. */
import type { Value } from "../graph/value.ts";

/** The input of that name, which the graph must have. */
export function inputOf(inputs: ReadonlyMap<string, Value>, name: string): Value {
  const found = inputs.get(name);
  if (!found) throw new Error(`the graph has no input ${name}`);
  return found;
}
