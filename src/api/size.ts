/** @file Sizes as people write them: "500MB", "2GB". */
import { shownJson } from "../describe.ts";
import { invalid } from "../options.ts";

const units: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/**
 * A size in bytes.
 * @throws GlmError "option-invalid" when it is none
 */
export function bytesOf(subject: string, option: string, size: string | number): number {
  const [, figure, unit = "B"] = /^\s*([\d.]+)\s*([a-z]+)?\s*$/i.exec(String(size)) ?? [];
  const bytes = Math.floor(Number(figure) * (units[unit.toUpperCase()] ?? Number.NaN));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw invalid(subject, [`${option}: expected a size such as "500MB" or "2GB", got ${shownJson(size)}.`]);
}
