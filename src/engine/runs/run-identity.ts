/** @file What a run is of: its rows and options, so that one can only go on with the same, and what differs is said. */
import { createHash } from "node:crypto";
import type { Row } from "../../data/row.ts";
import { shownJson } from "../../describe.ts";
import type { TokenBatch } from "../../train/batch.ts";
import type { FitOptions } from "../../train/fit-options.ts";
import type { EncodedRows } from "../../train/trainer.ts";

/** A short hash of each row, as the model reads and learns it. */
export interface RunIdentity {
  readonly rows: readonly string[];
  readonly validation: readonly string[];
  readonly rehearse: readonly string[];
  /** Those that its losses depend on: gradients are the same with checkpointing, which a run that lacked memory may go on with. */
  readonly options: Omit<FitOptions, "rehearse" | "gradientCheckpointing">;
}

export function identityOf({ taught, validating }: EncodedRows, given: FitOptions): RunIdentity {
  const { rehearse, gradientCheckpointing: _, ...options } = given;
  return {
    rows: hashesOf(taught),
    validation: validating ? hashesOf(validating) : [],
    rehearse: rehearse.map((row: Row) => hashOf(JSON.stringify(row))),
    options,
  };
}

const hashesOf = ({ inputIds, labels }: TokenBatch): string[] =>
  inputIds.map((ids, i) => hashOf(JSON.stringify([ids, labels[i]])));

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** What is not as it was: a sentence for each. */
export function differences(before: RunIdentity, now: RunIdentity): string[] {
  const names = [...new Set([...Object.keys(before.options), ...Object.keys(now.options)])].sort();
  const optionOf = ({ options }: RunIdentity, name: string): unknown => (options as Record<string, unknown>)[name];
  const changed = names.filter(
    (name) => JSON.stringify(optionOf(before, name)) !== JSON.stringify(optionOf(now, name)),
  );
  return [
    ...changed.map(
      (name) => `${name} was ${shownJson(optionOf(before, name))} and is ${shownJson(optionOf(now, name))}`,
    ),
    ...rowDifference("row", before.rows, now.rows),
    ...rowDifference("row to validate on", before.validation, now.validation),
    ...rowDifference("row to rehearse", before.rehearse, now.rehearse),
  ];
}

function rowDifference(what: string, before: readonly string[], now: readonly string[]): string[] {
  if (before.length !== now.length)
    return [`there were ${before.length} ${what.replace("row", "rows")} and are ${now.length}`];
  const changed = [...now.keys()].filter((i) => before[i] !== now[i]);
  const [first] = changed;
  if (first === undefined) return [];
  const others = changed.length === 1 ? "" : ` (and ${changed.length - 1} more)`;
  return [`${what} ${first + 1}${others} is another, or is encoded otherwise`];
}
