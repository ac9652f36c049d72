/** @file The training loop: epochs, accumulation, schedule, rehearsal, validation, early stopping, best values. */
import type { ModuleRank } from "../adapters/adapter.ts";
import type { Row } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import { randomStream, shuffled } from "../random.ts";
import type { TokenBatch } from "./batch.ts";
import type { Cut } from "./cut.ts";
import { cutOf, type EncodeOptions } from "./encode.ts";
import { byLength, drawn, type Example, encodedRows, joined, Mean, meanLoss, shares } from "./examples.ts";
import type { Learner, Lesson, Snapshot } from "./learner.ts";
import { adamWConfig } from "./optimizer.ts";
import { RankNews } from "./rank-news.ts";
import { type SchedulerName, scheduleFactor } from "./schedule.ts";

export interface FitOptions {
  readonly epochs: number;
  readonly lr: number;
  readonly batchSize: number;
  /** Batches whose gradients make one optimiser step. */
  readonly accumulate: number;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
  readonly weightDecay: number;
  readonly scheduler: SchedulerName;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Epochs without a better validation loss (training loss without validation rows) before it stops; 0 = never. */
  readonly patience: number;
  /**
   * Rows repeated beside every batch so that what the model knew stays; together they weigh as much as the batch. Rows
   * with a response are used as they are; those whose response is empty are answered by the base model first.
   */
  readonly rehearse: readonly Row[];
  /** How many rehearsal rows join each batch. */
  readonly rehearsePerBatch: number;
  /** Longest row in tokens; longer prompts lose their start, the response and its end mark are kept. */
  readonly maxLength: number;
  /** Longest prompt in tokens; 0 leaves it what the answer leaves. */
  readonly maxPromptLength?: number;
  /** Whether `<|assistant|>`, which opens an answer, is learnt as well: published scripts differ. */
  readonly learnRole?: boolean;
  readonly seed: number;
  /** Token ids that end an answer of the base. */
  readonly stop: readonly number[];
}

/** `step` counts optimiser steps from 1, `epoch` from 1. Losses are means over labelled tokens in nats. */
export type FitEvent =
  | {
      readonly type: "start";
      readonly steps: number;
      readonly epochs: number;
      readonly rows: number;
      /** What did not fit into `maxLength` tokens, of validation rows and given rehearsal as well; left out without any. */
      readonly cut?: Cut & { readonly maxLength: number };
    }
  | { readonly type: "rehearse"; readonly done: number; readonly total: number }
  | {
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
      /** Of the rows that are being taught. */
      readonly loss: number;
      /** Of the rows that were rehearsed beside them. */
      readonly rehearsalLoss?: number;
      readonly lr: number;
      /** Before clipping. */
      readonly gradientNorm: number;
      /** Labelled tokens. */
      readonly tokens: number;
      readonly seconds: number;
      /** What is left of each module's rank, where training gives ranks up: of the first step, and when it has changed. */
      readonly ranks?: readonly ModuleRank[];
    }
  | {
      readonly type: "epoch";
      readonly epoch: number;
      readonly loss: number;
      readonly validationLoss?: number;
      readonly best: boolean;
    }
  | {
      readonly type: "done";
      readonly steps: number;
      readonly bestEpoch: number;
      /** Of `bestEpoch`, whose values were kept: on the validation rows where there are any, else in training. */
      readonly loss: number;
      readonly seconds: number;
      readonly reason: "epochs" | "patience";
    };

/** What the loop works on. */
export interface Trainee extends Learner {
  encode(rows: readonly Row[], options: EncodeOptions): TokenBatch;
  /** The base model's answer to each row's prompt. */
  answer(row: Row): Promise<string>;
  /** Told after every change of the values, with the optimiser steps that it took: none when the best are restored. */
  changed(steps: number): void;
}

/**
 * Trains on the rows. Abandoned at any event, it leaves the values of the last finished step. Finished with validation
 * rows or with patience, it leaves those of the best epoch, else those of the last.
 * @throws GlmError "data-invalid" for rows that cannot be learnt, "option-invalid" when the adapter needs more steps,
 * "loss-not-finite" when training breaks down; the values before the step that broke down are kept
 */
export async function* fit(
  trainee: Trainee,
  rows: readonly Row[],
  validation: readonly Row[],
  options: FitOptions,
): AsyncGenerator<FitEvent, void, void> {
  const { epochs, batchSize, accumulate, seed, maxLength, patience } = options;
  const started = performance.now();
  if (rows.length === 0) throw new GlmError("data-invalid", "training needs at least one row, got none.");
  const taught = trainee.encode(rows, options);
  const examples = encodedRows(taught);
  const validating = validation.length > 0 ? trainee.encode(validation, options) : undefined;
  const perEpoch = Math.ceil(Math.ceil(examples.length / batchSize) / accumulate);
  const steps = epochs * perEpoch;
  if (steps > 0) trainee.mustLast?.(steps);
  const cut = sumOfCuts([taught, ...(validating ? [validating] : []), ...givenRehearsal(trainee, options)]);
  yield {
    type: "start",
    steps,
    epochs,
    rows: examples.length,
    ...(cut === undefined ? {} : { cut: { ...cut, maxLength } }),
  };
  const rehearsal = yield* rehearsalRows(trainee, options);

  const optimizer = adamWConfig({ lr: options.lr, clip: options.clip, weightDecay: options.weightDecay });
  const news = new RankNews();
  let taken = 0;
  let best: { readonly epoch: number; readonly loss: number; readonly values?: Snapshot } | undefined;
  let reason: "epochs" | "patience" = "epochs";
  /** The last values that are known to give a finite loss. */
  let sound = await trainee.snapshot("values");

  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const order = shuffled(randomStream(seed, "order", epoch), examples);
    const mean = new Mean();
    for (let at = 0; at < order.length; at += batchSize * accumulate) {
      const begun = performance.now();
      const parts: Lesson[] = [];
      const rehearsed: Lesson[] = [];
      for (let part = 0; part < accumulate; part += 1) {
        const from = at + part * batchSize;
        const taught = order.slice(from, Math.min(from + batchSize, at + batchSize * accumulate));
        if (taught.length === 0) break;
        const place = seed + taken * accumulate + part;
        parts.push(await trainee.gradients(joined(taught), place));
        const beside = drawn(rehearsal, options.rehearsePerBatch, randomStream(seed, "rehearsal", taken, part));
        // Batches of their own: these rows are of other lengths, and would be padded to those that are taught.
        for (const rows of byLength(beside)) rehearsed.push(await trainee.gradients(joined(rows), place));
      }
      for (const { loss, tokens } of parts) mean.add(loss, tokens);
      const loss = meanLoss(parts);
      if (!Number.isFinite(loss)) {
        // The step before broke them, although its own loss was fine: it is taken back.
        await trainee.restore(sound);
        trainee.changed(0);
        throw notFinite(loss, taken, options);
      }
      sound.release();
      sound = await trainee.snapshot("values");
      const lr = options.lr * scheduleFactor(options.scheduler, taken, steps, options.warmup);
      const gradientNorm = await trainee.step({ ...optimizer, lr }, [...shares(parts), ...shares(rehearsed)], {
        step: taken,
        steps,
      });
      taken += 1;
      trainee.changed(1);
      const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
      const seconds = (performance.now() - begun) / 1000;
      const beside = {
        ...(rehearsed.length > 0 ? { rehearsalLoss: meanLoss(rehearsed) } : {}),
        ...news.of(trainee.ranks?.()),
      };
      yield { type: "step", step: taken, steps, epoch, loss, ...beside, lr, gradientNorm, tokens, seconds };
    }
    const validationLoss = validating && (await evaluate(trainee, validating, batchSize));
    const judged = validationLoss ?? mean.value;
    if (!Number.isFinite(judged)) {
      await trainee.restore(sound);
      trainee.changed(0);
      throw notFinite(judged, taken, options);
    }
    const better = best === undefined || judged < best.loss;
    // Without rows to judge by, the last values are the best that is known, unless it is to stop early.
    const keep = validating !== undefined || patience > 0;
    if (better || !keep) {
      best?.values?.release();
      best = { epoch, loss: judged, ...(keep ? { values: await trainee.snapshot("values") } : {}) };
    }
    yield {
      type: "epoch",
      epoch,
      loss: mean.value,
      best: better,
      ...(validationLoss === undefined ? {} : { validationLoss }),
    };
    if (patience > 0 && best && epoch - best.epoch >= patience) {
      reason = "patience";
      break;
    }
  }
  if (best?.values) {
    await trainee.restore(best.values);
    trainee.changed(0);
  }
  const seconds = (performance.now() - started) / 1000;
  yield {
    type: "done",
    steps: taken,
    bestEpoch: best?.epoch ?? 0,
    loss: best?.loss ?? Number.NaN,
    seconds,
    reason,
  };
}

/** Rows to rehearse that come with their answers, encoded: the others have none to be cut yet. */
function givenRehearsal(trainee: Trainee, options: FitOptions): TokenBatch[] {
  const { rehearse, rehearsePerBatch } = options;
  const given = rehearsePerBatch === 0 ? [] : rehearse.filter(({ response }) => response.trim() !== "");
  return given.length === 0 ? [] : [trainee.encode(given, options)];
}

function sumOfCuts(batches: readonly TokenBatch[]): Cut | undefined {
  const cuts = batches.map(cutOf);
  const sumOf = (name: keyof Cut): number => cuts.reduce((sum, cut) => sum + cut[name], 0);
  const cut = { answers: sumOf("answers"), prompts: sumOf("prompts"), rows: sumOf("rows"), tokens: sumOf("tokens") };
  return cut.rows === 0 ? undefined : cut;
}

/** Rows to rehearse, with the base model's own answers where none was given. */
async function* rehearsalRows(trainee: Trainee, options: FitOptions): AsyncGenerator<FitEvent, Example[], void> {
  const { rehearse, rehearsePerBatch } = options;
  if (rehearse.length === 0 || rehearsePerBatch === 0) return [];
  const rows: Row[] = [];
  for (const row of rehearse) {
    rows.push(row.response === "" ? { ...row, response: await trainee.answer(row) } : row);
    yield { type: "rehearse", done: rows.length, total: rehearse.length };
  }
  // The base may have nothing to say to a prompt; such a row teaches nothing.
  const answered = rows.filter((row) => row.response.trim() !== "");
  if (answered.length === 0) {
    throw new GlmError(
      "data-invalid",
      "rehearsal: the base model gave an empty answer to every prompt. Give rows with responses.",
    );
  }
  return encodedRows(trainee.encode(answered, options));
}

async function evaluate(trainee: Trainee, batch: TokenBatch, size: number): Promise<number> {
  const examples = encodedRows(batch);
  const mean = new Mean();
  for (let at = 0; at < examples.length; at += size) {
    const { loss, tokens } = await trainee.loss(joined(examples.slice(at, at + size)));
    mean.add(loss, tokens);
  }
  return mean.value;
}

/** @param step the one that led to it */
function notFinite(loss: number, step: number, { lr, clip }: FitOptions): GlmError {
  return new GlmError(
    "loss-not-finite",
    `training: expected a finite loss after step ${step}, got ${loss}. The values before that step are kept. ` +
      `Lower the learning rate (now ${lr})${clip === 0 ? ", turn clipping on (clip 1)" : ""} or check the data.`,
  );
}
