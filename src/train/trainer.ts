/** @file Training on rows: what it is told, what it tells, and the loop over steps, which are in fitting.ts. */
import type { Row } from "../data/row.ts";
import { allRows, inMemory, type RowStore } from "../data/row-store.ts";
import { GlmError } from "../errors.ts";
import type { TokenBatch } from "./batch.ts";
import { type Cut, sumOfCuts } from "./cut.ts";
import type { EncodedRow, EncodeOptions } from "./encode.ts";
import { type EncodedSet, type EncodingProgress, encodeSet, longestRows } from "./encoded-set.ts";
import { type Example, joined } from "./examples.ts";
import type { FitOptions } from "./fit-options.ts";
import { type FitLearner, type FitResumed, type FitStep, Fitting, lengthOf } from "./fitting.ts";
import type { Monitor } from "./monitor.ts";

/** `step` counts optimiser steps from 1, `epoch` from 1. Losses are means over labelled tokens in nats. */
export type FitEvent =
  | {
      readonly type: "start";
      readonly steps: number;
      readonly epochs: number;
      readonly rows: number;
      /** The step after which an earlier run goes on; left out by one that begins. */
      readonly from?: number;
      /** What did not fit into `maxLength` tokens, of validation rows and given rehearsal as well; left out without any. */
      readonly cut?: Cut & { readonly maxLength: number };
      /** The folder of the job, where it runs on other machines. */
      readonly job?: string;
    }
  /** Before the start, of rows that take their time. */
  | EncodingProgress
  | { readonly type: "rehearse"; readonly done: number; readonly total: number }
  | ({
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
    } & FitStep)
  | {
      readonly type: "validation";
      readonly step: number;
      readonly epoch: number;
      /** On the validation rows. */
      readonly loss: number;
      /** The monitor's, where that is not the loss. */
      readonly score?: number;
      readonly best: boolean;
    }
  | {
      readonly type: "epoch";
      readonly epoch: number;
      readonly loss: number;
      /** Where it was validated at its end. */
      readonly validationLoss?: number;
      readonly score?: number;
      readonly best: boolean;
    }
  | {
      readonly type: "done";
      readonly steps: number;
      readonly bestEpoch: number;
      readonly bestStep: number;
      /** Of `bestStep`, whose values were kept: on the validation rows where there are any, else in training. */
      readonly loss: number;
      /** The monitor's, where that is not the loss. */
      readonly score?: number;
      readonly seconds: number;
      readonly reason: "epochs" | "steps" | "patience";
    };

/** What the loop works on. */
export interface Trainee extends Omit<FitLearner, "score"> {
  /** How it reads rows. */
  encoder(options: EncodeOptions): (row: Row) => EncodedRow;
  /** @throws GlmError "out-of-memory" when a step on these rows would not fit */
  mustFit?(rows: TokenBatch): void;
  /** The base model's answer to each row's prompt. */
  answer(row: Row): Promise<string>;
  /** A score of what is answered to rows' prompts now. */
  score(rows: readonly Row[], monitor: Exclude<Monitor, "loss">): Promise<number>;
}

/**
 * Trains on the rows. Abandoned at any event, it leaves the values of the last finished step. Finished with validation
 * rows or with patience, it leaves the best values, else the last.
 * @param resume where an earlier run of the same rows and options stopped, whose state the trainee has; asked when the rows are encoded
 * @throws GlmError "data-invalid" for rows that cannot be learnt, "option-invalid" when the adapter needs more steps or there are
 * no rows to validate on, "loss-not-finite" when training breaks down; the values before the step that broke down are kept
 */
export async function* fit(
  trainee: Trainee,
  rows: RowStore,
  validation: RowStore,
  options: FitOptions,
  resume?: (encoded: FitSets) => Promise<FitResumed | undefined>,
): AsyncGenerator<FitEvent, void, void> {
  if (rows.length === 0) throw new GlmError("data-invalid", "training needs at least one row, got none.");
  const { monitor = "loss" } = options;
  if (validation.length === 0) mustNotValidate(options);
  const encode = trainee.encoder(options);
  const taught = yield* fitting(trainee, rows, encode, options.batchSize);
  const validating = validation.length > 0 ? yield* fitting(trainee, validation, encode, options.batchSize) : undefined;
  const { steps, epochs } = lengthOf(rows.length, options);
  if (steps > 0) trainee.mustLast?.(steps);
  const encoded = { taught, ...(validating ? { validating } : {}) };
  const from = await resume?.(encoded);
  const given = yield* encodeSet(inMemory(givenRehearsal(options)), encode);
  const cut = sumOfCuts([...Object.values(encoded), given].map((set) => set.cut));
  yield {
    type: "start",
    steps,
    epochs,
    rows: rows.length,
    ...(from ? { from: from.progress.step } : {}),
    ...(cut === undefined ? {} : { cut: { ...cut, maxLength: options.maxLength } }),
  };
  const rehearsal = yield* rehearsalRows(trainee, encode, options);
  const learner: FitLearner = {
    ...trainee,
    score: () => trainee.score(allRows(validation), monitor as Exclude<Monitor, "loss">),
  };
  yield* run(new Fitting(learner, { ...encoded, rehearsal }, options, from), options);
}

/** What is learnt, and what it is judged by, in token ids. */
export interface FitSets {
  readonly taught: EncodedSet;
  readonly validating?: EncodedSet;
}

/**
 * Rows in token ids, of which the longest fit into memory together.
 * @param together rows of a batch
 */
async function* fitting(
  trainee: Trainee,
  rows: RowStore,
  encode: (row: Row) => EncodedRow,
  together: number,
): AsyncGenerator<FitEvent, EncodedSet, void> {
  const set = yield* encodeSet(rows, encode);
  trainee.mustFit?.(joined(longestRows(set.lengths, together).map(set.at)));
  return set;
}

async function* run(
  fitting: Fitting,
  { maxSteps = 0, monitor = "loss" }: FitOptions,
): AsyncGenerator<FitEvent, void, void> {
  /** Whether values and what the optimiser remembers are those of one step. */
  let isSound = true;
  let failed = false;
  try {
    for (;;) {
      const { step, epoch } = fitting.progress;
      const judgement = fitting.isJudgementDue ? await fitting.judge() : undefined;
      const { best = false, loss: validationLoss, score } = judgement ?? {};
      const scored = score === undefined ? {} : { score };
      if (validationLoss !== undefined)
        yield { type: "validation", step, epoch, loss: validationLoss, ...scored, best };
      if (fitting.isEpochOver) {
        const validated = validationLoss === undefined ? {} : { validationLoss, ...scored };
        const loss = fitting.epochLoss;
        // Before it is told: given up there, the run goes on with the next one.
        fitting.endEpoch();
        yield { type: "epoch", epoch, loss, ...validated, best };
      }
      if (fitting.isOver) {
        await fitting.keep(true);
        break;
      }
      const taken = await fitting.step();
      yield { type: "step", step: step + 1, steps: fitting.steps, epoch: fitting.progress.epoch, ...taken };
    }
    const reason = fitting.hasLostPatience ? "patience" : maxSteps > 0 ? "steps" : "epochs";
    const best = await fitting.restoreBest();
    isSound = false;
    yield {
      type: "done",
      steps: fitting.progress.step,
      bestEpoch: best?.epoch ?? 0,
      bestStep: best?.step ?? 0,
      loss: best?.loss ?? Number.NaN,
      ...(best && monitor !== "loss" ? { score: best.value } : {}),
      seconds: fitting.seconds,
      reason,
    };
  } catch (error) {
    failed = true;
    if (error instanceof GlmError && error.code === "loss-not-finite") isSound = false;
    throw error;
  } finally {
    // Given up, or failed between two steps: it can go on from here. Why it failed matters more than that this failed, too.
    const kept = isSound && fitting.progress.step > 0 ? fitting.keep(true) : Promise.resolve();
    await kept.catch(failed ? () => undefined : undefined).finally(() => fitting.release());
  }
}

/** @throws GlmError "option-invalid" for what asks for rows to validate on, of which there are none */
export function mustNotValidate({
  validateEvery = 0,
  monitor = "loss",
}: Pick<FitOptions, "validateEvery" | "monitor">): void {
  const asked = [
    ...(validateEvery > 0 ? [`validateEvery ${validateEvery}`] : []),
    ...(monitor === "loss" ? [] : [`monitor ${monitor}`]),
  ];
  if (asked.length === 0) return;
  throw new GlmError(
    "option-invalid",
    `fit: ${asked.join(" and ")} ${asked.length === 1 ? "needs" : "need"} rows to validate on, got none. Give some with validation (--val), or leave ${asked.length === 1 ? "it" : "them"} out.`,
  );
}

/** Rows to rehearse that come with their answers: the others have none to be cut yet. */
const givenRehearsal = ({ rehearse, rehearsePerBatch }: FitOptions): readonly Row[] =>
  rehearsePerBatch === 0 ? [] : rehearse.filter(({ response }) => response.trim() !== "");

/** Rows to rehearse, with the base model's own answers where none was given. */
async function* rehearsalRows(
  trainee: Trainee,
  encode: (row: Row) => EncodedRow,
  options: FitOptions,
): AsyncGenerator<FitEvent, Example[], void> {
  const { rehearse, rehearsePerBatch } = options;
  if (rehearse.length === 0 || rehearsePerBatch === 0) return [];
  const rows: Row[] = [];
  for (const row of rehearse) {
    rows.push(row.response.trim() === "" ? { ...row, response: await trainee.answer(row) } : row);
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
  const set = yield* fitting(trainee, inMemory(answered), encode, rehearsePerBatch);
  return answered.map((_, i) => set.at(i));
}
