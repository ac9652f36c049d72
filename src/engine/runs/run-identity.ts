/** @file What a run is of: its rows and options, so that one can only go on with the same, and what differs is said. */
import { createHash } from "node:crypto";
import type { Row } from "../../data/row.ts";
import { shownJson } from "../../describe.ts";
import { DIGEST_BYTES, type EncodedSet } from "../../train/encoded-set.ts";
import type { FitOptions } from "../../train/fit-options.ts";
import type { FitSets } from "../../train/trainer.ts";

/** A short hash of each row, as the model reads and learns it, one after another in hexadecimal digits. */
export interface RunIdentity {
  readonly rows: string;
  readonly validation: string;
  readonly rehearse: string;
  /** Those that its losses depend on: gradients are the same with checkpointing, which a run that lacked memory may go on with. */
  readonly options: Omit<FitOptions, "rehearse" | "gradientCheckpointing">;
}

export function identityOf({ taught, validating }: FitSets, given: FitOptions): RunIdentity {
  const { rehearse, gradientCheckpointing: _, ...options } = given;
  return {
    rows: hashesOf(taught),
    validation: validating ? hashesOf(validating) : "",
    // Their answers may be the base model's, which are not known yet.
    rehearse: rehearse.map((row: Row) => hashOf(JSON.stringify(row))).join(""),
    options,
  };
}

/** Digits of a row. */
const DIGITS = 2 * DIGEST_BYTES;

const hashesOf = ({ digests }: EncodedSet): string => digests.toString("hex");

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, DIGITS);

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

function rowDifference(what: string, before: string, now: string): string[] {
  const [rowsBefore, rows] = [before.length / DIGITS, now.length / DIGITS];
  if (rowsBefore !== rows) return [`there were ${rowsBefore} ${what.replace("row", "rows")} and are ${rows}`];
  if (before === now) return [];
  const hashAt = (hashes: string, row: number): string => hashes.slice(row * DIGITS, (row + 1) * DIGITS);
  let first: number | undefined;
  let changed = 0;
  for (let row = 0; row < rows; row += 1) {
    if (hashAt(before, row) === hashAt(now, row)) continue;
    first ??= row;
    changed += 1;
  }
  if (first === undefined) return [];
  const others = changed === 1 ? "" : ` (and ${changed - 1} more)`;
  return [`${what} ${first + 1}${others} is another, or is encoded otherwise`];
}
