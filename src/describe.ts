/** @file Values that were read from files or came from users, as messages show them. */
import { quoted, shortened } from "./text-cut.ts";

/** A value read from a file, short enough for a message. Containers are not spelled out: they may be deep or cyclic. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) {
    const flat = value.length <= 16 && value.every((item) => typeof item === "number" || item === null);
    return flat ? `[${value.join(",")}]` : `a list of ${value.length}`;
  }
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? quoted(value, 120) : shortened(String(value), 120);
}

/** A value as JSON, cut where it is long; containers that cannot be written so (too deep, cyclic) are only named. */
export function shownJson(value: unknown, longest = 80): string {
  // Their values as an object's, one key each, say nothing of what they are.
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = describe(value);
  }
  return shortened(text, longest);
}

/** Deepest JSON that any file of a model has reason to hold. */
const DEEPEST = 100;

/** Whether containers lie within each other deeper than anything that walks over them by calling itself can follow. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= DEEPEST; depth += 1) {
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
    if (level.length === 0) return false;
  }
  return true;
}
