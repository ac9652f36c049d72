/**
 * @file Training until rows are answered exactly: the loop asks as it goes, by free greedy generation, and stops when the
 * model knows. What it should keep knowing is rehearsed beside it.
 */
import type { AdapterTensors } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import { type RandomStream, randomStream } from "../random.ts";
import { copiedAll } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import type { Row } from "./dataset.ts";
import { byLength, drawn, type Example, encodedRows, joined, meanLoss, restore, shares } from "./examples.ts";
import { adamW, adamWConfig, type OptimizerState, totalNorm, weightedMean } from "./optimizer.ts";
import type { GradientStep } from "./program.ts";
import { Recall } from "./recall.ts";

/** What a run is about; every row has its response. */
export interface TeachRows {
  /** To be answered exactly in the end. */
  readonly lessons: readonly Row[];
  /** Answered exactly until now, and to be so in the end: they are rehearsed, and taught again where they were lost. */
  readonly kept: readonly Row[];
  /** Rehearsed so that the rest of what the model knows stays: groups, each of which has as many places in a step. */
  readonly rehearse: readonly (readonly Row[])[];
}

export interface TeachOptions {
  /** The budget: optimiser steps after which it gives up. */
  readonly steps: number;
  /** Learning rate at first; it is halved whenever a check finds that training went backwards. */
  readonly lr: number;
  /** Lessons in a step. */
  readonly batchSize: number;
  /** Rows rehearsed in a step; together they weigh as much as the lessons. */
  readonly rehearsePerStep: number;
  /** Steps between checks, at least; with many lessons, a check comes after all of them were seen. */
  readonly checkEvery: number;
  /** Steps that are taken once everything is answered exactly, for wordings that are not taught. */
  readonly extraSteps: number;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
  readonly weightDecay: number;
  /** Longest row in tokens. */
  readonly maxLength: number;
  readonly seed: number;
  /** Token ids that end an answer. */
  readonly stop: readonly number[];
}

/** `recalled` says of each lesson whether it was answered exactly when it was last asked. */
export type TeachEvent =
  | { readonly type: "start"; readonly lessons: number; readonly budget: number }
  | {
      readonly type: "step";
      /** From 1. */
      readonly step: number;
      readonly budget: number;
      /** Mean over the labelled tokens of the lessons, in nats. */
      readonly loss: number;
      readonly rehearsalLoss?: number;
      readonly lr: number;
      /** Before clipping. */
      readonly gradientNorm: number;
    }
  | {
      readonly type: "check";
      readonly step: number;
      readonly recalled: readonly boolean[];
      /** Whether these are the values to keep, as far as is known. */
      readonly best: boolean;
    }
  | {
      readonly type: "done";
      readonly steps: number;
      readonly recalled: readonly boolean[];
      /** Of the last step; NaN when none was needed. */
      readonly loss: number;
      readonly seconds: number;
      readonly reason: "recalled" | "budget";
    };

/** What the loop works on. */
export interface Pupil {
  /** Changed in place. */
  readonly tensors: AdapterTensors;
  gradients(batch: TokenBatch, seed: number): Promise<GradientStep>;
  encode(rows: readonly Row[], maxLength: number): TokenBatch;
  /** Whether each row's prompt is answered, greedily and freely, with exactly its response. */
  recalls(rows: readonly Row[], stop: readonly number[]): Promise<boolean[]>;
  /** Told when the tensors may be used and kept; `steps` were taken since the last time. */
  changed(steps: number): void;
}

/** The rate rises over the first steps, while AdamW's moments are of few gradients. */
const WARMUP = 5;
/** No long answer is exact while the loss is above this: a check would only cost time. */
const HOPELESS = 0.7;
/** So many checks are left out for that at most: a short answer may be exact, and who interrupts keeps what a check found. */
const LEFT_OUT = 3;
/** How often the rate is halved before a breakdown is an error. */
const RETREATS = 4;

/** The values of the check that found most. */
interface Best {
  readonly values: AdapterTensors;
  readonly optimizer: OptimizerState;
  readonly recalled: number;
  /** Whether every row was asked; else those that were known before are taken to be known still. */
  readonly whole: boolean;
  readonly loss: number;
}

interface Finding {
  readonly complete: boolean;
  readonly whole: boolean;
  /** Whether rows are answered that were not before: values that can do this are sound. */
  readonly progress: boolean;
}

/**
 * Trains until every lesson and every kept row is answered exactly, or the budget is spent. However it ends, the tensors
 * are those of the check that found most rows recalled, also when it is abandoned at an event or fails.
 * @throws GlmError "data-invalid" for rows that cannot be learnt, "loss-not-finite" when training breaks down at every rate
 */
export async function* teach(
  pupil: Pupil,
  { lessons, kept, rehearse }: TeachRows,
  options: TeachOptions,
): AsyncGenerator<TeachEvent, void, void> {
  const { steps, batchSize, rehearsePerStep, checkEvery, extraSteps, maxLength, seed } = options;
  const started = performance.now();
  if (lessons.length === 0) throw new GlmError("data-invalid", "teaching needs at least one row, got none.");
  const rows = [...lessons, ...kept];
  const examples = encodedRows(pupil.encode(rows, maxLength));
  const keptExamples = examples.slice(lessons.length);
  const groups = [keptExamples, ...rehearse.map((rows) => encodedRows(pupil.encode(rows, maxLength)))];
  yield { type: "start", lessons: lessons.length, budget: steps };

  const recall = new Recall(rows.length, lessons.length, seed);
  const ask = async (some: readonly number[]): Promise<void> => {
    const asked = some.map((i) => rows[i] as Row);
    if (asked.length > 0) recall.mark(some, await pupil.recalls(asked, options.stop));
  };
  /** Asks what is not known; when it is, everything else once more. */
  const check = async (): Promise<Finding> => {
    const pending = new Set(recall.pending());
    await ask([...pending]);
    const left = recall.pending().length;
    const progress = left < pending.size;
    if (left > 0) return { complete: false, whole: pending.size === rows.length, progress };
    await ask([...rows.keys()].filter((i) => !pending.has(i)));
    return { complete: recall.pending().length === 0, whole: true, progress };
  };
  const gradientsOf = async (some: readonly Example[], place: number): Promise<GradientStep[]> => {
    const parts: GradientStep[] = [];
    for (const batch of byLength(some)) parts.push(await pupil.gradients(joined(batch), place));
    return parts;
  };

  const optimizer = adamWConfig({ clip: options.clip, weightDecay: options.weightDecay });
  let state = adamW.init(pupil.tensors);
  let [rate, retreats] = [options.lr, 0];
  let loss = Number.NaN;
  const first = await check();
  let { complete } = first;
  const snapshot = (whole: boolean): Best => {
    return { values: copiedAll(pupil.tensors), optimizer: copied(state), recalled: recall.count, whole, loss };
  };
  let best = snapshot(first.whole);
  yield { type: "check", step: 0, recalled: recall.lessons(), best: true };
  const retreat = (): void => {
    [rate, retreats] = [rate / 2, retreats + 1];
    restore(pupil.tensors, best.values);
    state = copied(best.optimizer);
  };

  let [taken, unsaid, unchecked] = [0, 0, 0];
  /** The step after which it ends. */
  let end = complete ? 0 : steps;
  try {
    while (taken < end) {
      const taught = recall.draw(batchSize, taken).map((i) => examples[i] as Example);
      const beside = drawnEvenly(groups, rehearsePerStep, randomStream(seed, "rehearsal", taken));
      const parts = await gradientsOf(taught, seed + taken);
      const rehearsed = await gradientsOf(beside, seed + taken);
      loss = meanLoss(parts);
      const gradients = weightedMean([...shares(parts), ...shares(rehearsed)]);
      // A finite loss may have gradients that are not, and what is rehearsed may break down first.
      if (!Number.isFinite(loss) || !Number.isFinite(totalNorm(gradients))) {
        if (retreats === RETREATS) throw broken(loss, taken, options.lr);
        retreat();
        continue;
      }
      // That of the values before any step, by which the first check is judged.
      if (Number.isNaN(best.loss)) best = { ...best, loss };
      const lr = rate * Math.min(1, (taken + 1) / WARMUP);
      const gradientNorm = adamW.update({ ...optimizer, lr }, state, pupil.tensors, gradients);
      [taken, unsaid, unchecked] = [taken + 1, unsaid + 1, unchecked + 1];
      const rehearsalLoss = rehearsed.length > 0 ? { rehearsalLoss: meanLoss(rehearsed) } : {};
      yield { type: "step", step: taken, budget: steps, loss, ...rehearsalLoss, lr, gradientNorm };

      const between = Math.max(checkEvery, Math.ceil(recall.pending().length / batchSize));
      const isHopeless = loss > HOPELESS && !complete && unchecked < (1 + LEFT_OUT) * between;
      if (taken < end && (unchecked < between || isHopeless)) continue;
      pupil.changed(unsaid);
      [unsaid, unchecked] = [0, 0];
      const wasComplete = complete;
      const found = await check();
      complete = found.complete;
      // Rows that were not asked count as known: values that have broken down must not pass for as good.
      const now = found.progress || complete ? loss : meanLoss(await gradientsOf(taught, seed + taken));
      const worse = !Number.isFinite(now) || (now > HOPELESS && now > 2 * best.loss);
      const more = recall.count >= best.recalled || (found.whole && !best.whole);
      const better = more && !worse;
      // Before it is told: who leaves at this event is to have these values.
      if (better) best = snapshot(found.whole);
      yield { type: "check", step: taken, recalled: recall.lessons(), best: better };
      if (!better && (worse || now > 2 * best.loss) && retreats < RETREATS) retreat();
      if (!complete) end = steps;
      else if (!wasComplete) end = Math.min(steps, taken + extraSteps);
    }
  } finally {
    restore(pupil.tensors, best.values);
    pupil.changed(0);
  }
  // What was asked last may have been other values than those that are kept.
  if (!complete) await ask([...rows.keys()]);
  const seconds = (performance.now() - started) / 1000;
  yield {
    type: "done",
    steps: taken,
    recalled: recall.lessons(),
    loss,
    seconds,
    reason: recall.pending().length === 0 ? "recalled" : "budget",
  };
}

/** Examples of all groups, of each as many as of the others while it has so many. */
function drawnEvenly(groups: readonly (readonly Example[])[], count: number, stream: RandomStream): readonly Example[] {
  const chosen: Example[] = [];
  // Small groups first: what they cannot fill is the others'.
  const filled = groups.filter(({ length }) => length > 0).sort((a, b) => a.length - b.length);
  for (const [i, group] of filled.entries()) {
    chosen.push(...drawn(group, Math.ceil((count - chosen.length) / (filled.length - i)), stream));
  }
  return chosen;
}

function copied({ step, mean, square }: OptimizerState): OptimizerState {
  return { step, mean: copiedAll(mean), square: copiedAll(square) };
}

function broken(loss: number, step: number, lr: number): GlmError {
  return new GlmError(
    "loss-not-finite",
    `teaching: expected a finite loss after step ${step}, got ${loss}, also at a sixteenth of the learning rate ${lr}. ` +
      "The values of the best check are kept. Give a lower learning rate.",
  );
}
