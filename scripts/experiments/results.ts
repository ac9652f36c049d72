/** @file The file in which results are kept, by experiment: each is written as soon as it is there. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Where a result comes from. */
export interface Origin {
  readonly command: string;
  readonly model: string;
  /** The first digits of the weights' SHA-256. */
  readonly weights: string;
  readonly seed: number;
  /** Whether these are the sizes of a trial. */
  readonly quick: boolean;
}

/** A result with its origin, when it was measured, and how long that took. */
export interface Result extends Origin {
  readonly date: string;
  readonly seconds: number;
  readonly data: object;
}

export type Results = Readonly<Record<string, Result>>;

export function readResults(file: string): Results {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Results) : {};
}

/** Adds a result, or puts it in the place of an older one. */
export function writeResult(file: string, name: string, result: Result): void {
  mkdirSync(dirname(file), { recursive: true });
  const text = `${JSON.stringify({ ...readResults(file), [name]: result }, null, 1)}\n`;
  // An interrupted run leaves the file as it was.
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** Whether a result says what a new run would say again: the command has the sizes, the model and the seed. */
export function isCurrent(result: Result | undefined, { weights, command }: Origin): boolean {
  return result?.weights === weights && result.command === command;
}
