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
