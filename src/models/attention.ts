/** @file Attention under a mask: among the tokens of a run, and to those before them whose keys and values are in a cache. */
import { cachedAttention, type Rotary } from "../graph/layers.ts";
import { add, concat, matmul, reshape, softmax, split, transpose } from "../graph/ops.ts";
import type { Dim, Value } from "../graph/value.ts";
import type { ChatGLMConfig } from "./config.ts";

export interface Attention {
  /** q, k, v [batch, seq, heads·size] (k and v of the groups only), already rotated -> [batch, seq, heads·size]. */
  attend(layer: number, q: Value, k: Value, v: Value): Value;
  /**
   * The same from what a layer projects: q, k and v, or one value of all three side by side. Pairs of neighbours are rotated
   * by the place of their token. Absent where no operator does all of that.
   */
  readonly attendRotating?: (layer: number, parts: readonly Value[], rotation: Pick<Rotary, "cos" | "sin">) => Value;
}

/** A layer's keys and values [batch, groups, tokens, size]. */
export interface KeysValues {
  readonly keys: Value;
  readonly values: Value;
}

/** What is known of the tokens "past" before the run, and what becomes of its own. */
export interface AttentionCache {
  past(layer: number): KeysValues;
  keep(layer: number, fresh: KeysValues): void;
}

/** A cache of which some is filled; what is kept of it is itself, with the run's own tokens in their places. */
export interface FilledCache extends AttentionCache {
  /** As of `CachedAttention`. */
  readonly last: Value;
  readonly total: Value;
}

/**
 * Attention by one operator, causal, which adds to a cache in place. It has no gradient.
 * @param rotates whether a token's position is its place in the cache, so that the operator can rotate by it
 */
export function attentionInPlace(
  { heads, groups, headSize }: ChatGLMConfig,
  cache: FilledCache,
  rotates: boolean,
): Attention {
  const { last, total } = cache;
  const attend = (layer: number, parts: readonly Value[], rotation?: Pick<Rotary, "cos" | "sin">): Value => {
    const options = { past: cache.past(layer), last, total, heads, groups };
    const { mixed, ...kept } = cachedAttention(parts, rotation ? { ...options, rotation } : options);
    cache.keep(layer, kept);
    return mixed;
  };
  // The operator takes tables of whole eights.
  const fits = headSize % 32 === 0;
  return { attend: (layer, ...parts) => attend(layer, parts), ...(rotates && fits ? { attendRotating: attend } : {}) };
}

/**
 * Attention written out, so that it has a gradient, and so that a mask decides who sees whom.
 * @param mask added to the scores: [batch or 1, 1, seq, all], where "all" is what is past and then "seq", or "seq" without a cache
 */
export function maskedAttention(
  { heads, groups, headSize }: ChatGLMConfig,
  mask: Value,
  cache: Partial<AttentionCache> = {},
): Attention {
  const byHead = (x: Value, count: number) => transpose(reshape(x, ["batch", "seq", count, headSize]), [0, 2, 1, 3]);
  // The query heads of a group lie side by side: they share its keys as more rows of one product, without a copy.
  const byGroup = (x: Value, width: number | string) => reshape(x, ["batch", groups, "queries of a group", width]);
  const all = mask.shape.at(-1) as string;
  const attend: Attention["attend"] = (layer, q, k, v) => {
    const queries = byGroup(byHead(q, heads), headSize);
    const fresh = { keys: byHead(k, groups), values: byHead(v, groups) };
    cache.keep?.(layer, fresh);
    // Past keys are not copied to lie beside the fresh ones: both have products of their own.
    const past = cache.past?.(layer);
    const seen = past ? [past, fresh] : [fresh];
    const scores = seen.map(({ keys }) => matmul(queries, keys, { transB: true, alpha: 1 / Math.sqrt(headSize) }));
    const weights = softmax(add(reshape(concat(scores, -1, all), ["batch", heads, "seq", all]), mask));
    const shares = split(byGroup(weights, all), past ? [past.keys.shape.at(2) as Dim, "seq"] : [all], -1);
    const mixed = seen.map(({ values }, i) => matmul(shares[i] as Value, values)).reduce(add);
    const joined = transpose(reshape(mixed, ["batch", heads, "seq", headSize]), [0, 2, 1, 3]);
    return reshape(joined, ["batch", "seq", heads * headSize]);
  };
  return { attend };
}
