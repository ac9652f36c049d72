/** @file Everything that is wrong with something, in one message. */

/** Faults listed in one message; a garbled file has thousands. */
export const MAX_FAULTS = 20;

/** Faults as they are found, however many: the first are held, the others counted. */
export class FaultList {
  readonly #most: number;
  readonly #first: string[] = [];
  count = 0;

  /** @param most that are held */
  constructor(most: number = MAX_FAULTS) {
    this.#most = most;
  }

  add(fault: string): void {
    this.count += 1;
    if (this.#first.length < this.#most) this.#first.push(fault);
  }

  /** As `faultLines`. */
  toString(): string {
    const more = this.count - this.#first.length;
    const lines = more === 0 ? this.#first : [...this.#first, `and ${more} more`];
    return lines.map((line) => `\n- ${line}`).join("");
  }
}

/** The faults as lines of a list, beginning with a line break; beyond so many they are only counted. */
export function faultLines(faults: readonly string[], most: number = MAX_FAULTS): string {
  const list = new FaultList(most);
  for (const fault of faults) list.add(fault);
  return String(list);
}

/** As `faultLines`; a single fault stays on the line. */
export function faultList(faults: readonly string[], most: number = MAX_FAULTS): string {
  return faults.length === 1 ? ` ${faults[0]}` : faultLines(faults, most);
}
