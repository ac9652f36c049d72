/** @file Numbers of bytes for people. */

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** In decimal units, as disks and hubs count: 3221225472 -> "3.22 GB". */
export function byteSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? Math.round(value) : value.toPrecision(3)} ${UNITS[unit]}`;
}
