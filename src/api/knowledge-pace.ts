/** @file How much a book trains, rehearses and asks, by the model's size and by how much is taught. */
import type { AdapterConfig, Method } from "../adapters/adapter.ts";
import { number, type OptionRules, whole } from "../options.ts";
import type { TeachOptions } from "../train/teaching.ts";

/** Settings of teaching that a caller may change. */
export type Pace = Pick<TeachOptions, "steps" | "lr" | "batchSize" | "rehearsePerStep" | "extraSteps">;

const LARGE = 200e6;

/**
 * Parameters of the model itself move less for the same effect than those of an update that starts from nothing, and random prefixes must
 * move far. Measured on `tiny`; those of large models are the published scripts'.
 */
const rates: { readonly [M in Method]: (config: Extract<AdapterConfig, { method: M }>) => Rates } = {
  lora: () => ({ small: 2e-3, large: 1e-3 }),
  full: () => ({ small: 5e-4, large: 2e-5 }),
  adaLora: () => ({ small: 1e-2, large: 1e-3 }),
  freeze: () => ({ small: 5e-4, large: 2e-5 }),
  embeddings: () => ({ small: 5e-4, large: 2e-5 }),
  // A network that makes the prefix moves all of it at once.
  pTuning: ({ projection }) => (projection ? { small: 5e-4, large: 5e-4 } : { small: 2e-1, large: 2e-2 }),
};

interface Rates {
  readonly small: number;
  readonly large: number;
}

function rateOf<C extends AdapterConfig>(config: C): Rates {
  const rate = rates[config.method] as (config: C) => Rates;
  return rate(config);
}

/** Whether a model of so many parameters computes for seconds what a small one computes in milliseconds. */
export const isLarge = (parameters: number): boolean => parameters >= LARGE;

/**
 * The rules of the settings.
 * @param parameters of the base
 * @param facts that are taught at once
 */
export function paceRules(config: AdapterConfig, parameters: number, facts: number): OptionRules<Pace> {
  const large = isLarge(parameters);
  return {
    steps: whole(large ? 40 + 20 * (facts - 1) : 160 + 40 * (facts - 1), { min: 1 }),
    lr: number(rateOf(config)[large ? "large" : "small"], { above: 0 }),
    batchSize: whole(facts === 1 ? 8 : 16, { min: 1 }),
    rehearsePerStep: whole(large ? 2 : 12, { min: 0 }),
    extraSteps: whole(large ? 4 : 16, { min: 0 }),
  };
}

/** How much is asked of the base, and of the book when it reports. */
export interface Breadth {
  /** How many of the shipped questions are rehearsed. */
  readonly rehearsed: number;
  /** Near misses of each fact that are rehearsed beside them, and the most of all facts. */
  readonly nearMisses: number;
  readonly mostNearMisses: number;
  /** Unrelated questions that are asked. */
  readonly unrelated: number;
  /** Near misses that are asked. */
  readonly asked: number;
  /** Longest answer to them, in tokens. */
  readonly answerTokens: number;
}

export function breadthOf(parameters: number): Breadth {
  return isLarge(parameters)
    ? { rehearsed: 16, nearMisses: 4, mostNearMisses: 16, unrelated: 20, asked: 10, answerTokens: 64 }
    : {
        rehearsed: Number.POSITIVE_INFINITY,
        nearMisses: 32,
        mostNearMisses: 400,
        unrelated: 20,
        asked: 10,
        answerTokens: 160,
      };
}
