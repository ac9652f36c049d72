/** @file Everything that is wrong with something, in one message. */

/** Faults listed in one message; a garbled file has thousands. */
export const MAX_FAULTS = 20;

/** The faults as lines of a list, beginning with a line break; beyond so many they are only counted. */
export function faultLines(faults: readonly string[], most: number = MAX_FAULTS): string {
  const shown = faults.slice(0, most).map((fault) => `\n- ${fault}`);
  if (faults.length > most) shown.push(`\n- and ${faults.length - most} more`);
  return shown.join("");
}

/** As `faultLines`; a single fault stays on the line. */
export function faultList(faults: readonly string[], most: number = MAX_FAULTS): string {
  return faults.length === 1 ? ` ${faults[0]}` : faultLines(faults, most);
}
