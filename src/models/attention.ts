/** @file The ways tokens attend: to a whole sequence at once, or to a cache that grows by a token at a time. */
import { cachedAttention } from "../graph/layers.ts";
import { add, matmul, padLast, reshape, softmax, split, transpose } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { ChatGLMConfig } from "./config.ts";

/** q, k, v [batch, seq, heads·size] (k and v of the groups only), already rotated -> [batch, seq, heads·size]. */
export type AttentionKind = (layer: number, q: Value, k: Value, v: Value) => Value;

/** What else is to happen with a layer's keys and values [batch, groups, seq, size]. */
type Keep = (layer: number, keys: Value, values: Value) => void;

/**
 * Attention written out, so that it has a gradient, and so that a mask decides who sees whom.
 * @param mask added to the scores: [seq, seq], or [batch, 1, seq, seq] where rows differ
 */
export function maskedAttention({ heads, groups, headSize }: ChatGLMConfig, mask: Value, keep?: Keep): AttentionKind {
  const byHead = (x: Value, count: number) => transpose(reshape(x, ["batch", "seq", count, headSize]), [0, 2, 1, 3]);
  // The query heads of a group lie side by side: they share its keys as more rows of one product, without a copy.
  const byGroup = (x: Value, width: number | string) => reshape(x, ["batch", groups, "queries of a group", width]);
  return (layer, q, k, v) => {
    const queries = byGroup(byHead(q, heads), headSize);
    const [keys, values] = [byHead(k, groups), byHead(v, groups)];
    keep?.(layer, keys, values);
    const scores = matmul(queries, keys, {
      transB: true,
      alpha: 1 / Math.sqrt(headSize),
    });
    const weights = softmax(add(reshape(scores, ["batch", heads, "seq", "seq"]), mask));
    const mixed = matmul(reshape(weights, ["batch", groups, "queries of a group", "seq"]), values);
    const joined = transpose(reshape(mixed, ["batch", heads, "seq", headSize]), [0, 2, 1, 3]);
    return reshape(joined, ["batch", "seq", heads * headSize]);
  };
}

/** The graph inputs and outputs that carry one layer's keys or values from run to run. */
export const cacheName = (layer: number, part: "key" | "value", when: "past" | "present"): string =>
  `${when}.${layer}.${part}`;

/** Attention under a mask that begins a cache: its keys and values [batch, groups, seq, size] are outputs, too. */
export const beginningAttention = (config: ChatGLMConfig, mask: Value): AttentionKind =>
  maskedAttention(config, mask, (layer, keys, values) => {
    keys.graph.output(keys, cacheName(layer, "key", "present"));
    values.graph.output(values, cacheName(layer, "value", "present"));
  });

/** Width of a head in the cache: onnxruntime's attention on a cache takes multiples of 8, so others are filled up with zeros. */
export const cachedHeadSize = ({ headSize }: ChatGLMConfig): number => 8 * Math.ceil(headSize / 8);

/** Attention to everything in a static cache [batch, groups, capacity, cachedHeadSize], which the run extends in place. */
export function cacheAttention(config: ChatGLMConfig, lastIndex: Value, total: Value): AttentionKind {
  const { heads, groups, headSize } = config;
  const width = cachedHeadSize(config);
  const widened = (x: Value, count: number): Value => {
    if (width === headSize) return x;
    const byHead = reshape(x, ["batch", "seq", count, headSize]);
    return reshape(padLast(byHead, width), ["batch", "seq", count * width]);
  };
  const narrowed = (x: Value): Value => {
    if (width === headSize) return x;
    const [kept] = split(reshape(x, ["batch", "seq", heads, width]), [headSize, width - headSize], -1);
    return reshape(kept as Value, ["batch", "seq", heads * headSize]);
  };
  return (layer, q, k, v) => {
    const { graph } = q;
    const past = (part: "key" | "value") =>
      graph.input(cacheName(layer, part, "past"), "float32", ["batch", groups, "capacity", width]);
    const cache = {
      pastKey: past("key"),
      pastValue: past("value"),
      lastIndex,
      total,
      heads,
      groups,
      scale: 1 / Math.sqrt(headSize),
    };
    const [output, key, value] = cachedAttention(widened(q, heads), widened(k, groups), widened(v, groups), cache);
    graph.output(key, cacheName(layer, "key", "present"));
    graph.output(value, cacheName(layer, "value", "present"));
    return narrowed(output);
  };
}
