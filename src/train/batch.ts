/** @file Token rows as the training graph's inputs: padded, shifted, with only the labelled positions selected. */

import type { Tensors } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { maskTensor, tokenTensors } from "../models/inputs.ts";
import { rotaryTables } from "../models/rotary.ts";
import { fillDropoutMask, randomStream } from "../random.ts";
import { sizeOf, tensor } from "../tensor.ts";
import type { MaskInput } from "./graph.ts";

/** Rows of token ids with labels of the same lengths; a label of -100 is ignored. Rows may differ in length. */
export interface TokenBatch {
  readonly inputIds: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
}

export interface BatchTensors {
  readonly tensors: Tensors;
  /** Labelled tokens. */
  readonly tokens: number;
  /** Sizes behind the symbols of mask shapes. */
  readonly sizes: Readonly<Record<string, number>>;
}

const IGNORED = -100;

/**
 * @throws GlmError "data-invalid" when rows and labels do not match, an id is outside the vocabulary, or no label is left
 */
export function batchTensors(batch: TokenBatch, config: ChatGLMConfig, prefix = 0): BatchTensors {
  checkBatch(batch, config);
  const rows = batch.inputIds;
  const seq = Math.max(...rows.map((ids) => ids.length));
  const select: bigint[] = [];
  const targets: bigint[] = [];
  batch.labels.forEach((labels, r) => {
    // A position predicts the token after it.
    labels.slice(1).forEach((next, i) => {
      if (next === IGNORED) return;
      select.push(BigInt(r * seq + i));
      targets.push(BigInt(next));
    });
  });
  const tokens = targets.length;
  if (tokens === 0) {
    throw new GlmError(
      "data-invalid",
      "the batch has no label to learn from: every label is -100 (or the first of its row, which nothing predicts). " +
        "Label the response tokens with their ids.",
    );
  }
  const whole = rows.map((ids) => ({ ids, from: 0 }));
  return {
    tokens,
    sizes: { tokens: rows.length * seq, chosen: tokens },
    tensors: {
      ...tokenTensors(config, whole, seq),
      mask: maskTensor(
        config,
        whole,
        seq,
        prefix,
        whole.map(() => prefix),
      ),
      select: tensor("int64", [tokens], BigInt64Array.from(select)),
      targets: tensor("int64", [tokens, 1], BigInt64Array.from(targets)),
      weights: tensor("float32", [tokens, 1], new Float32Array(tokens).fill(1 / tokens)),
      ...rotaryTables(config, seq),
    },
  };
}

/** Dropout masks as a function of (seed, place): the same step drops the same elements. */
export function maskTensors(masks: readonly MaskInput[], { sizes }: BatchTensors, seed: number): Tensors {
  return Object.fromEntries(
    masks.map(({ name, place, shape, rate }) => {
      const known = shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim] as number)));
      const data = new Float32Array(sizeOf(known));
      fillDropoutMask(randomStream(seed, "dropout", place), data, rate);
      return [name, tensor("float32", known, data)];
    }),
  );
}

/** @throws GlmError "data-invalid" with every row that is empty, too long or has an id outside the vocabulary */
export function checkIds(inputIds: TokenBatch["inputIds"], config: ChatGLMConfig): void {
  refuse(idFaults(inputIds, config));
}

/** @throws GlmError "data-invalid" with every row whose ids are not sound, or whose labels are not one for each of them */
export function checkBatch({ inputIds, labels }: TokenBatch, config: ChatGLMConfig): void {
  const faults = idFaults(inputIds, config);
  if (labels.length !== inputIds.length) faults.push(`labels: expected ${inputIds.length} rows, got ${labels.length}`);
  inputIds.forEach((row, r) => {
    const own = labels[r] ?? [];
    if (own.length !== row.length) {
      faults.push(`row ${r}: expected ${row.length} labels, one for each id, got ${own.length}`);
    }
    const strange = own.find((id) => id !== IGNORED && !isId(id, config));
    if (strange !== undefined) faults.push(`row ${r}: expected labels to be ids or ${IGNORED}, got ${strange}`);
  });
  refuse(faults);
}

const isId = (id: number, { vocabulary }: ChatGLMConfig) => Number.isInteger(id) && id >= 0 && id < vocabulary;

function idFaults(inputIds: TokenBatch["inputIds"], config: ChatGLMConfig): string[] {
  const faults = inputIds.length === 0 ? ["expected at least one row, got none"] : [];
  inputIds.forEach((row, r) => {
    if (row.length === 0) faults.push(`row ${r}: expected at least one id, got none`);
    if (row.length > config.contextLength) {
      faults.push(`row ${r}: ${row.length} tokens, but the model reads at most ${config.contextLength}`);
    }
    const strange = row.find((id) => !isId(id, config));
    if (strange !== undefined) faults.push(`row ${r}: expected ids from 0 to ${config.vocabulary - 1}, got ${strange}`);
  });
  return faults;
}

function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new GlmError("data-invalid", `the batch cannot be used:${faultLines(faults)}`);
}
