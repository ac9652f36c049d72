/** @file What %evaluate does. */
import { GlmError } from "../../src/errors.ts";
import type { AdapterChoice, ChatGLM, EvaluateOptions, Evaluation, ForgettingOptions, Rows } from "../../src/index.ts";
import { isInterrupt } from "../interrupt.ts";
import { show, write } from "../live.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { renderEvaluation } from "../render/evaluation.ts";
import { currentModel, sessionOf } from "../session.ts";
import type { OfModel } from "./chat.ts";
import { interruptible } from "./interruptible.ts";

type Watched = "signal" | "onProgress";

/** Scores answers to rows: those of the base and of the adapter in use, unless adapters are named. */
export async function evaluate(
  rows: Rows,
  { model: given, ...options }: OfModel & Omit<EvaluateOptions, Watched> = {},
): Promise<Evaluation> {
  const model = currentModel(given);
  const inUse = sessionOf(model).adapter;
  const adapters = options.adapters ?? (inUse === null ? undefined : [null, inUse]);
  const evaluation = await watched((onProgress) => model.evaluate(rows, { ...options, adapters, onProgress }));
  sayWhereSaved(options);
  return evaluation;
}

/** Compares adapters' answers to shipped questions with the base's: those of the adapter in use, unless adapters are named. */
export async function forgetting({
  model: given,
  adapters,
  ...options
}: OfModel & { readonly adapters?: readonly AdapterChoice[] } & Omit<
    ForgettingOptions,
    Watched
  > = {}): Promise<Evaluation> {
  const model = currentModel(given);
  const asked = adapters ?? inUseOf(model);
  const evaluation = await watched((onProgress) => model.forgetting(asked, { ...options, onProgress }));
  sayWhereSaved(options);
  return evaluation;
}

function sayWhereSaved({ save }: Pick<EvaluateOptions, "save">): void {
  if (save !== undefined) write(`Scores and answers are in ${save}.\n`);
}

function inUseOf(model: ChatGLM): string {
  const { adapter } = sessionOf(model);
  if (adapter !== null) return adapter;
  throw new GlmError(
    "option-invalid",
    "%evaluate --forgetting: expected an adapter to compare with the base, got none. Name it with --adapters, or choose one with %adapter use.",
  );
}

/** Shows how it goes and what came of it, first what went wrong. */
async function watched(
  work: (onProgress: NonNullable<EvaluateOptions["onProgress"]>) => Promise<Evaluation>,
): Promise<Evaluation> {
  const bar = new ProgressBar({ title: "answering", delay: PATIENCE });
  const stages = { answering: "answering", reading: "reading references" } as const;
  let last = { done: 0, total: 0 };
  const interrupted = (): void => {
    bar.finish("stopped");
    write(`Interrupted after ${last.done} of ${last.total}: nothing was scored, and no adapter changed.\n`, "stderr");
  };
  try {
    const evaluation = await interruptible(
      () =>
        work(({ stage, done, total }) => {
          last = { done, total };
          bar.update({ title: stages[stage], done, total });
        }),
      interrupted,
    );
    bar.finish();
    if (evaluation.problems.length > 0) write(`${evaluation.problems.join("\n")}\n`, "stderr");
    show(renderEvaluation(evaluation));
    return evaluation;
  } catch (error) {
    bar.finish(isInterrupt(error) ? "stopped" : "failed");
    throw error;
  }
}
