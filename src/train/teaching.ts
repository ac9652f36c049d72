/** @file One run of teaching: the steps it takes, the questions it asks, and the values that it holds on to. */
import type { ModuleRank } from "../adapters/adapter.ts";
import type { Row } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import { type RandomStream, randomStream } from "../random.ts";
import type { TokenBatch } from "./batch.ts";
import type { EncodeOptions } from "./encode.ts";
import { byLength, drawn, type Example, encodedRows, joined, meanLoss, shares } from "./examples.ts";
import type { Learner, Lesson, Loss, Share, Snapshot } from "./learner.ts";
import { adamWConfig } from "./optimizer.ts";
import { RankNews } from "./rank-news.ts";
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

/** What the loop works on. */
export interface Pupil extends Learner {
  encode(rows: readonly Row[], options: EncodeOptions): TokenBatch;
  /** Whether each row's prompt is answered, greedily and freely, with exactly its response. */
  recalls(rows: readonly Row[], stop: readonly number[]): Promise<boolean[]>;
  /** Told when the values may be used and kept; `steps` were taken since the last time. */
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
  /** With the optimiser's moments. */
  readonly values: Snapshot;
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

/** What a check found. */
export interface Verdict {
  /** Whether the values are the best so far. */
  readonly better: boolean;
  /** Whether they stay if it is given up now. */
  readonly isKept: boolean;
  readonly complete: boolean;
  readonly isBackward: boolean;
}

/** What a step did. */
export interface Step {
  /** Mean over the labelled tokens of the lessons, in nats. */
  readonly loss: number;
  readonly rehearsalLoss?: number;
  readonly lr: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** What is left of each module's rank, where training gives ranks up: of the first step, and when it has changed. */
  readonly ranks?: readonly ModuleRank[];
}

export class Teaching {
  readonly #pupil: Pupil;
  readonly #options: TeachOptions;
  readonly #rows: readonly Row[];
  readonly #examples: readonly Example[];
  /** What is rehearsed: the kept rows, then the groups that were given. */
  readonly #groups: readonly (readonly Example[])[];
  readonly #recall: Recall;
  readonly #optimizer: ReturnType<typeof adamWConfig>;
  readonly #news = new RankNews();
  #rate: number;
  #retreats = 0;
  #best: Best | undefined;
  /** The values before any step. */
  #first: Best | undefined;
  #complete = false;
  /** The lessons of the last step. */
  #taught: readonly Example[] = [];
  #loss = Number.NaN;
  #taken = 0;
  /** Steps that the pupil was not told of, and steps since the last check. */
  #unsaid = 0;
  #unchecked = 0;
  /** The step after which it ends. */
  #end: number;

  /** @throws GlmError "data-invalid" for rows that cannot be learnt, "option-invalid" when the adapter needs more steps */
  constructor(pupil: Pupil, { lessons, kept, rehearse }: TeachRows, options: TeachOptions) {
    const { maxLength, seed, clip, weightDecay, lr, steps } = options;
    const encoded = (rows: readonly Row[]): Example[] => encodedRows(pupil.encode(rows, { maxLength }));
    if (steps > 0) pupil.mustLast?.(steps);
    this.#pupil = pupil;
    this.#options = options;
    this.#rows = [...lessons, ...kept];
    this.#examples = encoded(this.#rows);
    this.#groups = [this.#examples.slice(lessons.length), ...rehearse.map(encoded)];
    this.#recall = new Recall(this.#rows.length, lessons.length, seed);
    this.#optimizer = adamWConfig({ clip, weightDecay, decayNormsAndBiases: false });
    this.#rate = lr;
    this.#end = steps;
  }

  /** Steps that were taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Of the last step; NaN before the first. */
  get loss(): number {
    return this.#loss;
  }

  get isOver(): boolean {
    return this.#taken >= this.#end;
  }

  /** Of each lesson, whether it was answered exactly when it was last asked. */
  get recalled(): boolean[] {
    return this.#recall.lessons();
  }

  /** Whether every row is. */
  get knowsAll(): boolean {
    return this.#recall.pending().length === 0;
  }

  /** Asks what is known before any step. */
  async begin(): Promise<void> {
    const { complete, whole } = await this.#ask();
    this.#best = this.#first = await this.#snapshot(whole);
    this.#complete = complete;
    if (complete) this.#end = 0;
  }

  /**
   * Takes one step.
   * @returns undefined when training broke down: it goes on from the best check's values
   * @throws GlmError "loss-not-finite" when it has done so at every rate
   */
  async step(): Promise<Step | undefined> {
    const { batchSize, rehearsePerStep, seed, lr: given } = this.#options;
    const place = seed + this.#taken;
    this.#taught = this.#recall.draw(batchSize, this.#taken).map((i) => this.#examples[i] as Example);
    const beside = drawnEvenly(this.#groups, rehearsePerStep, randomStream(seed, "rehearsal", this.#taken));
    const parts = await this.#gradients(this.#taught, place);
    const rehearsed = await this.#gradients(beside, place);
    const loss = meanLoss(parts);
    this.#loss = loss;
    const lr = this.#rate * Math.min(1, (this.#taken + 1) / WARMUP);
    const gradientNorm = Number.isFinite(loss)
      ? await this.#stepped(lr, [...shares(parts), ...shares(rehearsed)])
      : undefined;
    if (gradientNorm === undefined) {
      if (this.#retreats === RETREATS) throw broken(loss, this.#taken, given);
      await this.#retreat();
      return undefined;
    }
    // That of the values before any step, by which the first check is judged.
    if (this.#best && Number.isNaN(this.#best.loss)) this.#best = { ...this.#best, loss };
    this.#taken += 1;
    this.#unsaid += 1;
    this.#unchecked += 1;
    const more = {
      ...(rehearsed.length > 0 ? { rehearsalLoss: meanLoss(rehearsed) } : {}),
      ...this.#news.of(this.#pupil.ranks?.()),
    };
    return { loss, ...more, lr, gradientNorm };
  }

  get isCheckDue(): boolean {
    const { checkEvery, batchSize } = this.#options;
    const between = Math.max(checkEvery, Math.ceil(this.#recall.pending().length / batchSize));
    const isHopeless = this.#loss > HOPELESS && !this.#complete && this.#unchecked < (1 + LEFT_OUT) * between;
    return this.isOver || (this.#unchecked >= between && !isHopeless);
  }

  /**
   * Asks what is known now, and keeps the values when they are the best so far.
   * @returns whether they are; what follows from it is done by `conclude`, when everybody was told
   */
  async check(): Promise<Verdict> {
    this.#pupil.changed(this.#unsaid);
    [this.#unsaid, this.#unchecked] = [0, 0];
    const best = this.#best as Best;
    const { complete, whole, progress } = await this.#ask();
    // Rows that were not asked count as known: values that have broken down must not pass for as good.
    const loss = progress || complete ? this.#loss : meanLoss(await this.#losses(this.#taught));
    const worse = !Number.isFinite(loss) || (loss > HOPELESS && loss > 2 * best.loss);
    const more = this.#recall.count >= best.recalled || (whole && !best.whole);
    const better = more && !worse;
    if (better) await this.#keep(whole);
    return { better, isKept: better && this.#isGain, complete, isBackward: !better && (worse || loss > 2 * best.loss) };
  }

  /** Goes back where training went backwards; ends soon after everything is known. */
  async conclude({ complete, isBackward }: Verdict): Promise<void> {
    const { steps, extraSteps } = this.#options;
    if (isBackward && this.#retreats < RETREATS) await this.#retreat();
    if (!complete) this.#end = steps;
    else if (!this.#complete) this.#end = Math.min(steps, this.#taken + extraSteps);
    this.#complete = complete;
  }

  /**
   * Gives the pupil the values of the best check; where it is given up before it is over, those from before unless more is known by
   * now: what nobody asks any more, such as what was known already, may have become worse.
   */
  async keepBest(): Promise<void> {
    const kept = this.isOver || this.#isGain ? this.#best : this.#first;
    if (kept) await this.#pupil.restore(kept.values);
    this.#pupil.changed(0);
  }

  /** Whether more is known with the best values than at the beginning. */
  get #isGain(): boolean {
    return this.#best !== undefined && this.#first !== undefined && this.#best.recalled > this.#first.recalled;
  }

  /** Asks everything once more, unless all is known: what was asked last may have been other values than those that are kept. */
  async askAll(): Promise<void> {
    if (!this.#complete) await this.#mark([...this.#rows.keys()]);
  }

  /** Asks what is not known; when it is, everything else once more. */
  async #ask(): Promise<Finding> {
    const pending = new Set(this.#recall.pending());
    await this.#mark([...pending]);
    const left = this.#recall.pending().length;
    const progress = left < pending.size;
    if (left > 0) return { complete: false, whole: pending.size === this.#rows.length, progress };
    await this.#mark([...this.#rows.keys()].filter((i) => !pending.has(i)));
    return { complete: this.knowsAll, whole: true, progress };
  }

  async #mark(some: readonly number[]): Promise<void> {
    const asked = some.map((i) => this.#rows[i] as Row);
    if (asked.length > 0) this.#recall.mark(some, await this.#pupil.recalls(asked, this.#options.stop));
  }

  /** @returns the gradient's norm; undefined when it is no number, as it may be where the loss is one */
  async #stepped(lr: number, shares: readonly Share[]): Promise<number | undefined> {
    try {
      return await this.#pupil.step({ ...this.#optimizer, lr }, shares, {
        step: this.#taken,
        steps: this.#options.steps,
      });
    } catch (error) {
      if (error instanceof GlmError && error.code === "loss-not-finite") return undefined;
      throw error;
    }
  }

  async #losses(some: readonly Example[]): Promise<Loss[]> {
    const parts: Loss[] = [];
    for (const batch of byLength(some)) parts.push(await this.#pupil.loss(joined(batch)));
    return parts;
  }

  async #gradients(some: readonly Example[], place: number): Promise<Lesson[]> {
    const parts: Lesson[] = [];
    for (const batch of byLength(some)) parts.push(await this.#pupil.gradients(joined(batch), place));
    return parts;
  }

  async #keep(whole: boolean): Promise<void> {
    const before = this.#best;
    this.#best = await this.#snapshot(whole);
    if (before !== this.#first) before?.values.release();
  }

  async #snapshot(whole: boolean): Promise<Best> {
    const values = await this.#pupil.snapshot("all");
    return { values, recalled: this.#recall.count, whole, loss: this.#loss };
  }

  async #retreat(): Promise<void> {
    const best = this.#best as Best;
    this.#rate /= 2;
    this.#retreats += 1;
    await this.#pupil.restore(best.values);
  }
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

function broken(loss: number, step: number, lr: number): GlmError {
  return new GlmError(
    "loss-not-finite",
    `teaching: expected a finite loss after step ${step}, got ${loss}, also at a sixteenth of the learning rate ${lr}. ` +
      "The values of the best check are kept. Give a lower learning rate.",
  );
}
