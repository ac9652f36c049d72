/** @file What is said where an answer cannot go on: the logits are no numbers. */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import type { FloatTensor } from "../tensor.ts";

/**
 * The error for logits that are no numbers, with the largest number that whoever answers brings, which is mostly why.
 * @param model its name
 * @param adapters how those that answer are written; undefined for the base alone
 */
export function notNumbers(model: string, adapters: string | undefined, effect: AdapterEffect | undefined): GlmError {
  const largest = adapters === undefined || effect === undefined ? undefined : largestOf(effect);
  if (!largest) {
    return new GlmError(
      "model-invalid",
      `${model}: expected finite logits, got numbers that are none: the model's own weights are too large or damaged. ` +
        "Load it in another precision, or download it again.",
    );
  }
  const { place, value } = largest;
  return new GlmError(
    "adapter-invalid",
    `adapter ${adapters}: expected finite logits, got numbers that are none: there is no answer with it. The largest number that it ` +
      `brings is ${Number(value.toPrecision(3))}, at ${place}. Give it a smaller weight in a sum, train it with a smaller learning rate, ` +
      "or go back to an earlier one.",
  );
}

/** Of an update's two factors, their product at most: what one number of the input can become. */
function largestOf({ lowRank, overrides, prefix }: AdapterEffect): { place: string; value: number } | undefined {
  const found: { place: string; value: number }[] = [
    ...[...(lowRank ?? [])].map(([place, { down, up, gain }]) => {
      const value = Math.max(largestIn(down) * largestIn(up), gain ? largestIn(gain) : 0);
      return { place, value };
    }),
    ...[...(overrides ?? [])].map(([place, value]) => ({ place, value: largestIn(value) })),
    ...(prefix?.layers ?? []).map(({ keys, values }, layer) => {
      return { place: `the prefix of layer ${layer}`, value: Math.max(largestIn(keys), largestIn(values)) };
    }),
  ];
  return found.reduce<(typeof found)[number] | undefined>(
    (most, one) => (most === undefined || !(one.value <= most.value) ? one : most),
    undefined,
  );
}

/** The largest absolute value, NaN where there is one. */
function largestIn({ data }: FloatTensor): number {
  let most = 0;
  for (const value of data) if (!(Math.abs(value) <= most)) most = Math.abs(value);
  return most;
}
