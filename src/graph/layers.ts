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

/** A sum and its norm: x + y, and that / rms(x + y) · weight over the last axis. */
export function addRmsNorm(
  x: Value,
  y: Value,
  weight: Value,
  epsilon: number,
): { readonly sum: Value; readonly normed: Value } {
  if (!x.graph.options.fusedNorm) {
    const sum = add(x, y);
    return { sum, normed: rmsNorm(sum, weight, epsilon) };
  }
  const statistic = { dtype: x.dtype, shape: x.shape.slice(0, -1) };
  const made = x.graph.emit("SkipSimplifiedLayerNormalization", [x, y, weight], [x, statistic, statistic, x], {
    epsilon: { float: epsilon },
  });
  return { normed: made[0] as Value, sum: made[3] as Value };
}

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
  /** Queries and keys are rotated first: pairs of neighbours, as many as the tables are wide, each token by its place. */
  readonly rotation?: Pick<Rotary, "cos" | "sin">;
}

/**
 * Causal attention of q [batch, seq, heads·size] to a cache and to the run's own k and v [batch, seq, groups·size], which it
 * adds to the cache. A run of several tokens after others takes a single row.
 * @param parts q, k and v, or one value of all three side by side
 * @returns [batch, seq, heads·size], and the cache with what was added: in place, where it is written to the same tensors
 */
export function cachedAttention(
  parts: readonly Value[],
  { past: { keys, values }, last, total, heads, groups, rotation }: CachedAttention,
): Cached & { readonly mixed: Value } {
  const rotates = Number(rotation !== undefined);
  const attributes = { num_heads: heads, kv_num_heads: groups, do_rotary: rotates, rotary_interleaved: rotates };
  const [q, k, v] = parts as [Value, Value?, Value?];
  const mixedShape = [...q.shape.slice(0, -1), heads * (keys.shape.at(-1) as number)];
  const outputs = [{ dtype: q.dtype, shape: mixedShape }, keys, values];
  const operands = [q, k, v, keys, values, last, total, ...(rotation ? [rotation.cos, rotation.sin] : [])];
  const made = q.graph.emit("GroupQueryAttention", operands, outputs, attributes);
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
