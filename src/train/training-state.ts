/**
 * @file The state of a training run in one file, so that it can go on after its process was killed at any moment:
 * trained parameters, what optimiser and adapter remember of their steps, and where the trainer stands, replaced as a whole.
 */

import { basename, dirname } from "node:path";
import { GlmError } from "../errors.ts";
import { replaceFiles } from "../files.ts";
import type { FloatTensor, Tensor } from "../tensor.ts";
import { readSafetensors, safetensorsFile, sourcesOf } from "../weights/safetensors.ts";
import type { StepState } from "./step-state.ts";

/** Plain data that survives JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface TrainingState {
  readonly parameters: Readonly<Record<string, FloatTensor>>;
  readonly optimizer: StepState | null;
  /** Whatever else is needed to go on: epoch, place in it, best loss, the configuration it belongs to. */
  readonly progress: Json;
}

const format = "glmlab training state 1";

/**
 * Writes the state to one safetensors file, whole or not at all.
 * @throws GlmError "disk" when it cannot be written; the state saved before is then untouched
 */
export async function saveTrainingState(
  path: string,
  { parameters, optimizer, progress }: TrainingState,
): Promise<void> {
  const tensors: Record<string, FloatTensor> = {};
  for (const [group, members] of Object.entries({
    parameter: parameters,
    mean: optimizer?.mean ?? {},
    square: optimizer?.square ?? {},
    memory: optimizer?.memory ?? {},
  })) {
    for (const [name, value] of Object.entries(members)) tensors[`${group}/${name}`] = value;
  }
  const metadata = { format, progress: JSON.stringify(progress), ...(optimizer && { step: String(optimizer.step) }) };
  const file = safetensorsFile(basename(path), sourcesOf(tensors), metadata);
  await replaceFiles(dirname(path), [{ ...file, isPrivate: true }]);
}

/**
 * Reads what `saveTrainingState` wrote.
 * @throws GlmError "model-not-found" or "model-invalid"
 */
export async function loadTrainingState(path: string): Promise<TrainingState> {
  const { values, metadata } = await readSafetensors(path);
  const invalid = (got: string): GlmError =>
    new GlmError(
      "model-invalid",
      `${path}: expected a saved training state, got ${got}. Delete it to start the training anew.`,
    );
  if (metadata.format !== format) throw invalid(`format ${JSON.stringify(metadata.format ?? null)}`);
  const groups: Record<string, Record<string, FloatTensor>> = { parameter: {}, mean: {}, square: {}, memory: {} };
  for (const [key, value] of Object.entries(values)) {
    const slash = key.indexOf("/");
    const group = groups[key.slice(0, slash)];
    if (!group || !isFloat(value)) throw invalid(`a ${value.dtype} tensor ${key}`);
    // Training ends before anything is kept that is no number.
    if (!value.data.every(Number.isFinite)) throw invalid(`${key} with values that are no numbers`);
    group[key.slice(slash + 1)] = value;
  }
  const { parameter = {}, mean = {}, square = {}, memory = {} } = groups;
  const step = Number(metadata.step ?? 0);
  if (!Number.isSafeInteger(step) || step < 0) throw invalid(`step ${metadata.step}`);
  if (metadata.step !== undefined) {
    const unlike = Object.keys(parameter).find(
      (name) =>
        String(mean[name]?.shape) !== String(parameter[name]?.shape) ||
        String(square[name]?.shape) !== String(parameter[name]?.shape),
    );
    if (unlike !== undefined) throw invalid(`moments of ${unlike} that do not fit it`);
  }
  try {
    return {
      parameters: parameter,
      optimizer:
        metadata.step === undefined
          ? null
          : { step, mean, square, ...(Object.keys(memory).length === 0 ? {} : { memory }) },
      progress: JSON.parse(metadata.progress ?? "") as Json,
    };
  } catch {
    throw invalid("no progress");
  }
}

function isFloat(value: Tensor): value is FloatTensor {
  return value.dtype === "float32";
}
