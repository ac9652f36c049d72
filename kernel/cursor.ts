/** @file Cursor positions: Jupyter counts code points, JavaScript UTF-16 units. */

/** The UTF-16 offset of a code point offset; past the end it is the end. */
export function toUnits(code: string, points: number): number {
  let units = 0;
  for (let left = points; left > 0 && units < code.length; left--)
    units += (code.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  return units;
}

/** The code point offset of a UTF-16 offset; past the end it is the end. */
export function toPoints(code: string, units: number): number {
  let points = 0;
  for (let at = 0; at < units && at < code.length; points++) at += (code.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return points;
}
