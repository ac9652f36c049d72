/** @file Plain data: the only thing that passes between an engine and its clients. */

/** Whether an object is a plain one, of whatever realm: notebook cells may have globals of their own. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * The same data without arrays that are a part of a larger buffer: those are copied, since a structured clone would
 * take the whole buffer with them.
 * @throws TypeError when there is something else than plain data in it
 */
export function compact(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return value.byteLength === value.buffer.byteLength ? value : copy(value);
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(compact);
  if (!isPlain(value)) throw notPlain(value);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, compact(part)]));
}

export function notPlain(value: unknown): TypeError {
  return new TypeError(`only plain data passes to and from an engine, got ${Object.prototype.toString.call(value)}`);
}

/** A typed array with a buffer of its own. (A Node Buffer's own `slice` would not copy.) */
function copy(view: ArrayBufferView): ArrayBufferView {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const buffer = new Uint8Array(bytes).buffer;
  if (view instanceof DataView) return new DataView(buffer);
  return view instanceof Uint8Array ? new Uint8Array(buffer) : Reflect.construct(view.constructor, [buffer]);
}
