/**
 * @file From logits to the next token, in the order of transformers: the repetition penalty, which scores every choice; then,
 * when the token is drawn and not the likeliest, temperature, top-k and top-p.
 */
import type { RandomStream } from "../random.ts";

export interface SamplingOptions {
  readonly maxNewTokens: number;
  /** Takes the token that is likeliest after the repetition penalty; temperature, top-k, top-p and seed do not change which. */
  readonly greedy: boolean;
  readonly temperature: number;
  readonly topP: number;
  /** 0 turns it off. */
  readonly topK: number;
  /** Divides the positive scores of tokens of the prompt and the answer so far, and multiplies the negative ones; 1 turns it off. */
  readonly repetitionPenalty: number;
  /** The same seed, prompt and weights give the same tokens. */
  readonly seed: number;
  /** Token ids that end a row; they are not part of the answer. */
  readonly stop: readonly number[];
}

/** How the likeliest token is always taken: without length and end. */
export const GREEDY: Omit<SamplingOptions, "maxNewTokens" | "stop"> = {
  greedy: true,
  temperature: 1,
  topP: 1,
  topK: 0,
  repetitionPenalty: 1,
  seed: 0,
};

/** What shapes the distribution that a token is drawn from. */
export type Shaping = Pick<SamplingOptions, "temperature" | "topP" | "topK" | "repetitionPenalty">;

/** The tokens that may come next, with their probabilities. */
export interface Candidates {
  readonly ids: Uint32Array;
  readonly probabilities: Float64Array;
}

/** What the published code answers when a logit is NaN or infinite: it zeroes all and lifts this one out of reach. */
export const INVALID_TOKEN = 5;

/**
 * The next token.
 * @param logits [vocabulary]; left as they are
 * @param previous ids of the prompt and of the answer so far
 * @param random a stream of this place: the same seed, row and position give the same token
 */
export function sample(
  logits: Float32Array,
  previous: Iterable<number>,
  options: Shaping & Pick<SamplingOptions, "greedy">,
  random: RandomStream,
): number {
  if (options.greedy) {
    return allFinite(logits) ? likeliest(penalized(logits, previous, options.repetitionPenalty)) : INVALID_TOKEN;
  }
  const { ids, probabilities } = candidates(logits, previous, options);
  const target = random.uniform();
  let below = 0;
  for (let i = 0; i < ids.length - 1; i++) {
    below += probabilities[i] as number;
    if (target < below) return ids[i] as number;
  }
  return ids.at(-1) as number;
}

/**
 * The distribution that `sample` draws from: what transformers' processors leave, in their order.
 * @param logits [vocabulary]; left as they are
 * @param previous ids whose logits the repetition penalty lowers, each once
 */
export function candidates(logits: Float32Array, previous: Iterable<number>, options: Shaping): Candidates {
  if (!allFinite(logits)) return { ids: Uint32Array.of(INVALID_TOKEN), probabilities: Float64Array.of(1) };
  const { temperature, topK, topP, repetitionPenalty } = options;
  const scores = penalized(logits, previous, repetitionPenalty);
  const best = scores[likeliest(scores)] as number;
  // How far each score lies below the best one, and its share of the distribution, not yet divided by their sum.
  const gaps = new Float64Array(scores.length);
  const weights = new Float64Array(scores.length);
  let all = 0;
  for (let id = 0; id < scores.length; id++) {
    const gap = (best - (scores[id] as number)) / temperature;
    const weight = Math.exp(-gap);
    gaps[id] = gap;
    weights[id] = weight;
    all += weight;
  }
  let ids: Uint32Array;
  if (topK > 0 && topK < scores.length) {
    ids = leading(gaps, weights, (count) => count >= topK);
    // Those as good as the last one stay too.
    const last = gaps[ids[topK - 1] as number] as number;
    ids = ids.filter((id) => (gaps[id] as number) <= last);
    if (topP < 1) ids = nucleus(ids, weights, topP * massOf(ids, weights));
  } else if (topP < 1) {
    ids = nucleus(
      leading(gaps, weights, (_, mass) => mass >= topP * all),
      weights,
      topP * all,
    );
  } else {
    ids = new Uint32Array(scores.length).map((_, id) => id);
  }
  const total = massOf(ids, weights);
  const probabilities = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) probabilities[i] = (weights[ids[i] as number] as number) / total;
  return { ids, probabilities };
}

/** Scores with those of earlier tokens made less likely: a positive one divided, a negative one multiplied. */
function penalized(logits: Float32Array, previous: Iterable<number>, penalty: number): Float32Array {
  if (penalty === 1) return logits;
  const scores = logits.slice();
  for (const id of new Set(previous)) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
  }
  return scores;
}

/** Steps of the gap by which `leading` sorts roughly; the last bucket holds all that is further away. */
const bucketWidth = 1 / 16;
const buckets = 1024;

/**
 * The likeliest ids in order, at least as many as are `enough` (told their count and mass). Sorting a vocabulary at every
 * token would cost more than a small model: only the ids of the buckets that are needed are sorted.
 */
function leading(
  gaps: Float64Array,
  weights: Float64Array,
  enough: (count: number, mass: number) => boolean,
): Uint32Array {
  const bucketOf = (gap: number): number => Math.min(buckets - 1, Math.floor(gap / bucketWidth));
  const counts = new Uint32Array(buckets);
  const masses = new Float64Array(buckets);
  for (let id = 0; id < gaps.length; id++) {
    const bucket = bucketOf(gaps[id] as number);
    counts[bucket] = (counts[bucket] as number) + 1;
    masses[bucket] = (masses[bucket] as number) + (weights[id] as number);
  }
  let [last, count, mass] = [0, counts[0] as number, masses[0] as number];
  while (last < buckets - 1 && !enough(count, mass)) {
    last++;
    count += counts[last] as number;
    mass += masses[last] as number;
  }
  const ids = new Uint32Array(count);
  for (let id = 0, at = 0; id < gaps.length; id++) if (bucketOf(gaps[id] as number) <= last) ids[at++] = id;
  return ids.sort((a, b) => (gaps[a] as number) - (gaps[b] as number) || a - b);
}

/** The first of these sorted ids that together have this mass: each one stays before which it was not reached. */
function nucleus(ids: Uint32Array, weights: Float64Array, mass: number): Uint32Array {
  let count = 1;
  let above = weights[ids[0] as number] as number;
  while (count < ids.length && above < mass) above += weights[ids[count++] as number] as number;
  return ids.subarray(0, count);
}

function massOf(ids: Uint32Array, weights: Float64Array): number {
  let mass = 0;
  for (let i = 0; i < ids.length; i++) mass += weights[ids[i] as number] as number;
  return mass;
}

/** The id of the highest score; the first of them when there are several. */
function likeliest(scores: Float32Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if ((scores[id] as number) > (scores[best] as number)) best = id;
  return best;
}

export function allFinite(logits: Float32Array): boolean {
  for (let id = 0; id < logits.length; id++) if (!Number.isFinite(logits[id])) return false;
  return true;
}
