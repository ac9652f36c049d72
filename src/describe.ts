/** @file Values that were read from files or came from users, as messages show them. */

/** A value read from a file, short enough for a message. Containers are not spelled out: they may be deep or cyclic. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) {
    const flat = value.length <= 16 && value.every((item) => typeof item === "number" || item === null);
    return flat ? `[${value.join(",")}]` : `a list of ${value.length}`;
  }
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 200)) : String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
