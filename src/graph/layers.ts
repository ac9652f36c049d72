/** @file What transformers are made of: activations, norms, rotary positions. */
import { add, detached, emitOne, exp, log, reduceMax, reduceSum, sub } from "./ops.ts";
import type { Value } from "./value.ts";

/** x · sigmoid(x). */
export const silu = (x: Value): Value => emitOne("QuickGelu", [x], x.dtype, x.shape, { alpha: { float: 1 } });

/** The tanh approximation of GELU. */
export const gelu = (x: Value): Value => emitOne("Gelu", [x], x.dtype, x.shape, { approximate: "tanh" });

/**
 * log Σ exp(x) over the last axis, which stays as size 1. Written out because onnxruntime's own ReduceLogSumExp takes
 * several times as long. The largest element is only there against overflow: its gradients cancel.
 */
export function logSumExp(x: Value): Value {
  const largest = detached(reduceMax(x, [-1]));
  return add(largest, log(reduceSum(exp(sub(x, largest)), [-1])));
}

/** x / rms(x) · weight over the last axis. */
export const rmsNorm = (x: Value, weight: Value, epsilon: number): Value =>
  emitOne("SimplifiedLayerNormalization", [x, weight], x.dtype, x.shape, {
    axis: -1,
    epsilon: { float: epsilon },
  });

/** (x - mean) / deviation · weight + bias over the last axis. */
export const layerNorm = (x: Value, weight: Value, bias: Value, epsilon: number): Value =>
  emitOne("LayerNormalization", [x, weight, bias], x.dtype, x.shape, {
    axis: -1,
    epsilon: { float: epsilon },
  });

export interface Cached {
  /** A layer's keys and values [batch, groups, capacity, size], of which each row has filled some. */
  readonly keys: Value;
  readonly values: Value;
}

export interface CachedAttention {
  readonly past: Cached;
  /** int32 [batch]: tokens of each row, those of the run included, less one. */
  readonly last: Value;
  /** int32 []: tokens of the longest row, those of the run included. */
  readonly total: Value;
  readonly heads: number;
  readonly groups: number;
}

/**
 * Causal attention of q [batch, seq, heads·size] to a cache and to the run's own k and v [batch, seq, groups·size], which it
 * adds to the cache. A run of several tokens after others takes a single row.
 * @returns [batch, seq, heads·size], and the cache with what was added: in place, where it is written to the same tensors
 */
export function cachedAttention(
  q: Value,
  k: Value,
  v: Value,
  { past: { keys, values }, last, total, heads, groups }: CachedAttention,
): Cached & { readonly mixed: Value } {
  const attributes = { num_heads: heads, kv_num_heads: groups, do_rotary: 0 };
  const outputs = [q, keys, values];
  const made = q.graph.emit("GroupQueryAttention", [q, k, v, keys, values, last, total], outputs, attributes);
  const [mixed, allKeys, allValues] = made as [Value, Value, Value];
  return { mixed, keys: allKeys, values: allValues };
}

export interface Rotary {
  /** int64 [batch, seq]. */
  readonly positions: Value;
  /** [positions, rotated / 2], as is `sin`. */
  readonly cos: Value;
  readonly sin: Value;
  readonly heads: number;
  /** Leading channels of each head that are rotated. */
  readonly rotated: number;
  /** Whether pairs are neighbours; else the first half of the rotated channels is paired with the second. */
  readonly interleaved: boolean;
}

/** Rotary position embedding of x [batch, seq, heads·size]. */
export function rotary(x: Value, { positions, cos, sin, heads, rotated, interleaved }: Rotary): Value {
  const attributes = {
    interleaved: Number(interleaved),
    num_heads: heads,
    rotary_embedding_dim: rotated,
  };
  return emitOne("RotaryEmbedding", [x, positions, cos, sin], x.dtype, x.shape, attributes);
}
