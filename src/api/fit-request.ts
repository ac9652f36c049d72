/** @file What is asked of a run of training: settings completed and checked, rows divided. */
import type { Streams } from "../engine/engine.ts";
import { complete, type Given } from "../options.ts";
import type { engines, JobOptions } from "../torchrun/options.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { mustNotValidate } from "../train/trainer.ts";
import { faultsOf } from "./checks.ts";
import type { HandleContext } from "./context.ts";
import * as defaults from "./defaults.ts";
import { type DividedRows, divide, type RehearsalRows, type Rows, rehearsal } from "./rows.ts";
import type { Abortable } from "./signal.ts";

/** How `fit` trains. Everything has a default. */
export interface FitSettings extends Given<Omit<FitOptions, "rehearse" | "stop">>, Given<JobOptions>, Abortable {
  /** "torchrun": on other machines, or by other processes, which `hosts` and the other options of jobs are for. */
  readonly engine?: (typeof engines)[number] | undefined;
  /** Rows to judge by, or the share of the rows that is held back for it. */
  readonly validation?: Rows | number | undefined;
  /** Rows mixed into every batch so that what the model knew stays; the base answers prompts without a response. */
  readonly rehearse?: RehearsalRows | undefined;
  /**
   * Goes on with the adapter's run before, which was stopped, failed or was killed: with the same rows and options, to the same losses
   * as if it had never ended. What it told then is told first. Without such a run, one begins.
   */
  readonly resume?: boolean | undefined;
}

export interface FitRequest extends Pick<Streams["fit"]["params"], "options" | "resume"> {
  readonly divided: DividedRows;
}

/**
 * @param subject who asks, for messages
 * @param settings without those of jobs
 * @throws GlmError "option-invalid", "data-invalid" for rows that are none
 */
export function fitRequest(
  subject: string,
  { info, generation }: Pick<HandleContext, "generation"> & { readonly info: Pick<HandleContext["info"], "config"> },
  data: Rows,
  settings: FitSettings,
): FitRequest {
  const { signal, validation, rehearse, resume, ...given } = settings ?? {};
  const found = faultsOf({ signal, resume });
  const options = complete(subject, defaults.fit, settings, ["validation", "rehearse", "resume", "signal"], found);
  const divided = divide(data, validation, options.seed);
  if (divided.validation.length === 0) mustNotValidate(options);
  const maxLength = given.maxLength ?? Math.min(options.maxLength, info.config.contextLength);
  return {
    divided,
    options: { ...options, maxLength, rehearse: rehearsal(rehearse), stop: generation.stop },
    ...(resume === undefined ? {} : { resume }),
  };
}
