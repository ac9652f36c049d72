/** @file One run of training on rows: the steps it takes, what it measures, the values that it holds on to, and where it stands. */
import type { ModuleRank } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import { randomStream } from "../random.ts";
import type { ScoreName } from "../scores/score.ts";
import type { EncodedSet } from "./encoded-set.ts";
import { type EpochOrder, epochOrder } from "./epoch-order.ts";
import { byLength, drawn, type Example, joined, Mean, meanLoss, shares } from "./examples.ts";
import type { FitOptions } from "./fit-options.ts";
import type { Learner, Lesson, Snapshot } from "./learner.ts";
import { isBetter } from "./monitor.ts";
import { adamWConfig } from "./optimizer.ts";
import { RankNews } from "./rank-news.ts";
import { scheduleFactor, warmupSteps } from "./schedule.ts";

/** What was the best so far. */
export interface BestSoFar {
  readonly step: number;
  readonly epoch: number;
  /** On the validation rows where there are any, else in training. */
  readonly loss: number;
  /** Of the monitor: the loss, or a score. */
  readonly value: number;
}

/** Where a run stands between two steps: plain data, with which and the learner's state it goes on as if it had never stopped. */
export interface FitProgress {
  /** Optimiser steps taken. */
  readonly step: number;
  /** The running epoch, from 1, and the steps of it that are taken. */
  readonly epoch: number;
  readonly stepOfEpoch: number;
  /** Of the epoch's losses so far: their sum over labelled tokens, and how many those are. */
  readonly lossSum: number;
  readonly lossTokens: number;
  /** The step after which it was judged last. */
  readonly judged: number;
  readonly best?: BestSoFar;
  /** How often it was judged since without being better. */
  readonly stale: number;
  readonly seconds: number;
}

/** Where a run goes on. */
export interface FitResumed {
  readonly progress: FitProgress;
  /** The values of the best step, where they are other than those at hand. */
  readonly best?: Snapshot;
}

/** What the loop works on. */
export interface FitLearner extends Learner {
  /** Told after every change of the values, with the optimiser steps that it took: none when the best are restored. */
  changed(steps: number): void;
  /** The monitor's score of what is answered to the validation rows now. */
  score?(): Promise<number>;
  /**
   * Keeps the state of this moment, so that the run can go on from it.
   * @param isUrgent whether it must be kept now; else it may wait for a later step
   */
  keep?(what: "last" | "best", progress: FitProgress, isUrgent: boolean): Promise<void>;
}

/** What a step did. */
export interface FitStep {
  readonly loss: number;
  readonly rehearsalLoss?: number;
  readonly lr: number;
  readonly gradientNorm: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly ranks?: readonly ModuleRank[];
}

export interface FitRows {
  readonly taught: EncodedSet;
  readonly validating?: EncodedSet;
  readonly rehearsal: readonly Example[];
}

/** Before the first step. */
export const BEGINNING: FitProgress = {
  ...{ step: 0, epoch: 1, stepOfEpoch: 0, lossSum: 0, lossTokens: 0, judged: 0, stale: 0, seconds: 0 },
};

export class Fitting {
  /** Optimiser steps of the whole run, and of an epoch. */
  readonly steps: number;
  readonly perEpoch: number;
  readonly #learner: FitLearner;
  readonly #rows: FitRows;
  readonly #options: FitOptions;
  readonly #optimizer: ReturnType<typeof adamWConfig>;
  readonly #warmup: number;
  readonly #news = new RankNews();
  /** What was before this process's part of the run, and when that began. */
  readonly #secondsBefore: number;
  readonly #started = performance.now();
  #order: { readonly epoch: number; readonly order: EpochOrder } | undefined;
  #at: FitProgress;
  /** Of the best step. */
  #bestValues: Snapshot | undefined;
  /** The last values that are known to give a finite loss. */
  #sound: Snapshot | undefined;

  constructor(learner: FitLearner, rows: FitRows, options: FitOptions, from?: FitResumed) {
    const { clip, weightDecay, lr } = options;
    const { steps, perEpoch } = lengthOf(rows.taught.length, options);
    this.steps = steps;
    this.perEpoch = perEpoch;
    this.#learner = learner;
    this.#rows = rows;
    this.#options = options;
    this.#optimizer = adamWConfig({ lr, clip, weightDecay, decayNormsAndBiases: false });
    this.#warmup = warmupSteps(options.warmup, steps);
    this.#at = from?.progress ?? BEGINNING;
    this.#bestValues = from?.best;
    this.#secondsBefore = this.#at.seconds;
    // They were told before.
    if (from) this.#news.of(learner.ranks?.());
  }

  get progress(): FitProgress {
    return { ...this.#at, seconds: this.seconds };
  }

  get seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#started) / 1000;
  }

  get isOver(): boolean {
    return this.#at.step >= this.steps || this.hasLostPatience;
  }

  get hasLostPatience(): boolean {
    const { patience } = this.#options;
    return patience > 0 && this.#at.stale >= patience;
  }

  /** Whether it is to be judged before the next step. */
  get isJudgementDue(): boolean {
    const { step, judged } = this.#at;
    if (step === judged) return false;
    const { validateEvery = 0 } = this.#options;
    if (step >= this.steps || !this.#validates || validateEvery === 0) return this.isEpochOver;
    return step % validateEvery === 0;
  }

  /** The last epoch is over when the run is. */
  get isEpochOver(): boolean {
    const { stepOfEpoch, step } = this.#at;
    return stepOfEpoch > 0 && (stepOfEpoch === this.perEpoch || step >= this.steps || this.hasLostPatience);
  }

  get #validates(): boolean {
    return this.#rows.validating !== undefined;
  }

  /** Of the epoch so far: the mean over labelled tokens. */
  get epochLoss(): number {
    return this.#at.lossSum / this.#at.lossTokens;
  }

  /**
   * Takes one step.
   * @throws GlmError "loss-not-finite" when training breaks down: the values before the step that led to it are back
   */
  async step(): Promise<FitStep> {
    const begun = performance.now();
    const { accumulate, seed, rehearsePerBatch, lr: rate, scheduler } = this.#options;
    const { step, stepOfEpoch } = this.#at;
    const parts: Lesson[] = [];
    const rehearsed: Lesson[] = [];
    const { taught, rehearsal } = this.#rows;
    for (const [part, batch] of this.#epochOrder().step(stepOfEpoch).entries()) {
      const place = seed + step * accumulate + part;
      parts.push(await this.#learner.gradients(joined(batch.map(taught.at)), place));
      const beside = drawn(rehearsal, rehearsePerBatch, randomStream(seed, "rehearsal", step, part));
      // Batches of their own: these rows are of other lengths, and would be padded to those that are taught.
      for (const rows of byLength(beside)) rehearsed.push(await this.#learner.gradients(joined(rows), place));
    }
    const loss = meanLoss(parts);
    // The step before broke them, although its own loss was fine: it is taken back.
    if (!Number.isFinite(loss)) throw await this.#broken(loss);
    // Not before its loss was seen: a run that breaks down leaves a checkpoint that it can go on from.
    if (step > 0) await this.keep(false);
    const before = this.#sound;
    this.#sound = await this.#learner.snapshot("values");
    before?.release();
    const lr = rate * scheduleFactor(scheduler, step, this.steps, this.#warmup);
    const gradientNorm = await this.#learner.step(
      { ...this.#optimizer, lr },
      [...shares(parts), ...shares(rehearsed)],
      {
        step,
        steps: this.steps,
      },
    );
    const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
    this.#at = {
      ...this.#at,
      step: step + 1,
      stepOfEpoch: stepOfEpoch + 1,
      lossSum: this.#at.lossSum + loss * tokens,
      lossTokens: this.#at.lossTokens + tokens,
    };
    this.#learner.changed(1);
    return {
      loss,
      ...(rehearsed.length > 0 ? { rehearsalLoss: meanLoss(rehearsed) } : {}),
      ...this.#news.of(this.#learner.ranks?.()),
      ...{ lr, gradientNorm, tokens, seconds: (performance.now() - begun) / 1000 },
    };
  }

  /**
   * Measures how good the values are now, and keeps them when they are the best so far.
   * @returns the loss on the validation rows, and the monitor's score, where there are any
   * @throws GlmError "loss-not-finite" as `step`
   */
  async judge(): Promise<{ readonly loss?: number; readonly score?: number; readonly best: boolean }> {
    const { monitor = "loss", patience } = this.#options;
    const { step, epoch, best, stale } = this.#at;
    const { validating } = this.#rows;
    const loss = validating ? await this.#validationLoss(validating) : this.epochLoss;
    if (!Number.isFinite(loss)) throw await this.#broken(loss);
    const score = this.#validates && monitor !== "loss" ? await this.#score(monitor, loss) : undefined;
    const value = score ?? loss;
    const isBest = isBetter(monitor, { value, loss }, best);
    // Without rows to judge by, the last values are the best that is known, unless it is to stop early.
    const holds = this.#validates || patience > 0;
    this.#at = {
      ...this.#at,
      judged: step,
      stale: isBest ? 0 : stale + 1,
      ...(isBest || !holds ? { best: { step, epoch, loss, value } } : {}),
    };
    if (isBest && holds) {
      this.#bestValues?.release();
      this.#bestValues = await this.#learner.snapshot("values");
      await this.#learner.keep?.("best", this.progress, true);
      // At once: a run that goes on from before would speak of an earlier best, whose values are gone.
      await this.#learner.keep?.("last", this.progress, true);
    }
    return {
      ...(this.#validates ? { loss } : {}),
      ...(score === undefined ? {} : { score }),
      best: isBest,
    };
  }

  endEpoch(): void {
    this.#at = { ...this.#at, epoch: this.#at.epoch + 1, stepOfEpoch: 0, lossSum: 0, lossTokens: 0 };
  }

  /** Keeps where the run stands, if it is time to. */
  async keep(isUrgent: boolean): Promise<void> {
    await this.#learner.keep?.("last", this.progress, isUrgent);
  }

  /** The run is over: the best values are what is left of it. */
  async restoreBest(): Promise<BestSoFar | undefined> {
    if (this.#bestValues) {
      await this.#learner.restore(this.#bestValues);
      this.#learner.changed(0);
    }
    return this.#at.best;
  }

  release(): void {
    this.#bestValues?.release();
    this.#sound?.release();
  }

  #epochOrder(): EpochOrder {
    const { epoch } = this.#at;
    if (this.#order?.epoch !== epoch) {
      this.#order = { epoch, order: epochOrder(this.#rows.taught.lengths, this.#options, epoch) };
    }
    return this.#order.order;
  }

  /** @param validating in its own order */
  async #validationLoss(validating: EncodedSet): Promise<number> {
    const { batchSize } = this.#options;
    const mean = new Mean();
    for (let at = 0; at < validating.length; at += batchSize) {
      const size = Math.min(batchSize, validating.length - at);
      const batch = Array.from({ length: size }, (_, i) => validating.at(at + i));
      const { loss, tokens } = await this.#learner.loss(joined(batch));
      mean.add(loss, tokens);
    }
    return mean.value;
  }

  /** Perplexity is another way to say the loss; other scores are of answers. */
  async #score(monitor: ScoreName, loss: number): Promise<number | undefined> {
    return monitor === "perplexity" ? Math.exp(loss) : this.#learner.score?.();
  }

  async #broken(loss: number): Promise<GlmError> {
    const { lr, clip } = this.#options;
    const { step } = this.#at;
    if (!this.#sound) {
      return new GlmError(
        "loss-not-finite",
        `training: expected a finite loss of the values with which it begins, got ${loss}${step > 0 ? ` after step ${step}` : ""}. ` +
          "Nothing was changed. Begin with a new adapter (--new), or check the data.",
      );
    }
    await this.#learner.restore(this.#sound);
    this.#learner.changed(0);
    return new GlmError(
      "loss-not-finite",
      `training: expected a finite loss after step ${step}, got ${loss}. The values before that step are kept. ` +
        `Lower the learning rate (now ${lr})${clip === 0 ? ", turn clipping on (clip 1)" : ""} or check the data.`,
    );
  }
}

/** How many optimiser steps a run on so many rows has, and an epoch of it. */
export function lengthOf(
  rows: number,
  { epochs, maxSteps = 0, batchSize, accumulate }: Pick<FitOptions, "epochs" | "maxSteps" | "batchSize" | "accumulate">,
): { readonly steps: number; readonly perEpoch: number; readonly epochs: number } {
  const perEpoch = Math.ceil(Math.ceil(rows / batchSize) / accumulate);
  const steps = maxSteps > 0 ? maxSteps : epochs * perEpoch;
  return { steps, perEpoch, epochs: maxSteps > 0 ? Math.ceil(steps / perEpoch) : epochs };
}
