/** @file The two ways tokens attend: to a whole sequence at once (training), or to a cache that grows (inference). */
import { cachedAttention } from "../graph/layers.ts";
import { add, matmul, reshape, softmax, transpose } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { ChatGLMConfig } from "./config.ts";

/** q, k, v [batch, seq, heads·size] (k and v of the groups only), already rotated -> [batch, seq, heads·size]. */
export type AttentionKind = (layer: number, q: Value, k: Value, v: Value) => Value;

/** Attention written out, so that it has a gradient. `mask` [seq, seq] is added to the scores. */
export function maskedAttention({ heads, groups, headSize }: ChatGLMConfig, mask: Value): AttentionKind {
  const byHead = (x: Value, count: number) => transpose(reshape(x, ["batch", "seq", count, headSize]), [0, 2, 1, 3]);
  // The query heads of a group lie side by side: they share its keys as more rows of one product, without a copy.
  const byGroup = (x: Value, width: number | string) => reshape(x, ["batch", groups, "queries of a group", width]);
  return (_layer, q, k, v) => {
    const queries = byGroup(byHead(q, heads), headSize);
    const scores = matmul(queries, byHead(k, groups), {
      transB: true,
      alpha: 1 / Math.sqrt(headSize),
    });
    const weights = softmax(add(reshape(scores, ["batch", heads, "seq", "seq"]), mask));
    const mixed = matmul(reshape(weights, ["batch", groups, "queries of a group", "seq"]), byHead(v, groups));
    const joined = transpose(reshape(mixed, ["batch", heads, "seq", headSize]), [0, 2, 1, 3]);
    return reshape(joined, ["batch", "seq", heads * headSize]);
  };
}

/** The graph inputs and outputs that carry one layer's keys or values from run to run. */
export const cacheName = (layer: number, part: "key" | "value", when: "past" | "present"): string =>
  `${when}.${layer}.${part}`;

/** Attention to everything in a static cache [batch, groups, capacity, size], which the run extends in place. */
export function cacheAttention(config: ChatGLMConfig, lastIndex: Value, total: Value): AttentionKind {
  const { heads, groups, headSize } = config;
  return (layer, q, k, v) => {
    const { graph } = q;
    const past = (part: "key" | "value") =>
      graph.input(cacheName(layer, part, "past"), "float32", ["batch", groups, "capacity", headSize]);
    const cache = {
      pastKey: past("key"),
      pastValue: past("value"),
      lastIndex,
      total,
      heads,
      groups,
    };
    const [output, key, value] = cachedAttention(q, k, v, cache);
    graph.output(key, cacheName(layer, "key", "present"));
    graph.output(value, cacheName(layer, "value", "present"));
    return output;
  };
}
