/** @file How well a model expects rows: the cross-entropy of their labels, read as prompts are, of the base and of any adapter. */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { PROMPT_RUN, promptRuns } from "./generate.ts";
import type { ForwardModel } from "./model.ts";

export interface LabelledRow {
  readonly ids: readonly number[];
  /** As long as the ids; -100 is ignored, and so is the first, which nothing predicts. */
  readonly labels: readonly number[];
  /** What the row's adapter does; undefined = the base alone. */
  readonly effect: AdapterEffect | undefined;
}

/** What one row came to. */
export interface RowLoss {
  /** Counts the rows from 0. */
  readonly row: number;
  /** Cross-entropy of its labels together, in nats. */
  readonly loss: number;
  /** Labels. */
  readonly tokens: number;
}

const IGNORED = -100;

/**
 * The losses of rows, each as soon as it is known. Rows of one adapter and like lengths share a run. The consumer sets the pace.
 * @param rows whose ids and labels are sound
 */
export async function* losses(model: ForwardModel, rows: readonly LabelledRow[]): AsyncGenerator<RowLoss, void, void> {
  for (const members of batches(rows)) yield* lossesOf(model, rows, members);
}

/** Rows that are read at once. */
function batches(rows: readonly LabelledRow[]): number[][] {
  const groups = new Map<AdapterEffect | undefined, number[]>();
  rows.forEach(({ effect }, row) => {
    const group = groups.get(effect) ?? [];
    groups.set(effect, group);
    group.push(row);
  });
  const lengthOf = (row: number): number => rows[row]?.ids.length ?? 0;
  return [...groups.values()].flatMap((group) => {
    const made: number[][] = [];
    for (const row of group.sort((a, b) => lengthOf(a) - lengthOf(b))) {
      const last = made.at(-1);
      if (last && (last.length + 1) * lengthOf(row) <= PROMPT_RUN) last.push(row);
      else made.push([row]);
    }
    return made;
  });
}

async function* lossesOf(
  model: ForwardModel,
  rows: readonly LabelledRow[],
  members: readonly number[],
): AsyncGenerator<RowLoss, void, void> {
  const batch = members.map((row) => rows[row] as LabelledRow);
  const longest = Math.max(...batch.map(({ ids }) => ids.length));
  // One row may be long, and is read in several runs.
  const ends = batch.length > 1 ? [longest] : promptRuns(model.config, (batch[0] as LabelledRow).ids);
  const found = members.map((row) => ({ row, loss: 0, tokens: 0 }));
  const adapters = await model.lease([batch[0]?.effect]);
  const cache = model.newCache(batch.length, longest);
  try {
    let from = 0;
    for (const end of ends) {
      const wanted = placesBetween(batch, from, end);
      // Nothing of it is asked for, but what follows looks at it.
      const positions = wanted.length === 0 ? [end - from - 1] : wanted.map((place) => place - from);
      const read = batch.map(({ ids }) => ({ ids: ids.slice(0, end), from }));
      const { data } = await model.run({ rows: read, positions, adapters, cache });
      const { vocabulary } = model.config;
      batch.forEach(({ labels }, r) => {
        wanted.forEach((place, at) => {
          const label = labels[place + 1];
          if (label === undefined || label === IGNORED) return;
          const begin = (r * positions.length + at) * vocabulary;
          const one = found[r] as (typeof found)[number];
          one.loss += crossEntropy(data.subarray(begin, begin + vocabulary), label);
          one.tokens += 1;
        });
      });
      from = end;
    }
  } finally {
    cache.dispose();
    adapters.release();
  }
  yield* found;
}

/** Places from `from` to before `end` that predict a label in any of the rows. */
function placesBetween(batch: readonly LabelledRow[], from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i).filter((place) =>
    batch.some(({ labels }) => (labels[place + 1] ?? IGNORED) !== IGNORED),
  );
}

/** -log softmax(logits)[label] */
function crossEntropy(logits: Float32Array, label: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most + Math.log(sum) - (logits[label] as number);
}
