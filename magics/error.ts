/** @file What is wrong with a magic as it is written, and where. */

/** Thrown while a cell is expanded, before any of it runs: `offset` and `length` point into the cell as written. */
export class MagicError extends Error {
  override readonly name = "MagicError";
  readonly offset: number;
  readonly length: number;

  constructor(message: string, offset: number, length = 0) {
    super(message);
    this.offset = offset;
    this.length = length;
  }
}
