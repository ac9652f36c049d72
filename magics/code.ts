/** @file Generated TypeScript that remembers which written text each piece stands for. */

/** Text that stands for what is written at `at`. */
interface Generated {
  readonly text: string;
  readonly at: number;
}

/** The written text from `from` up to `to`, taken over as it is. */
interface Written {
  readonly from: number;
  readonly to: number;
}

export type Piece = string | Generated | Written;
/** TypeScript in pieces; plain strings stand for the place of the magic itself. */
export type Code = readonly Piece[];

/** `{ name: value, ... }`, in one line, or `{}`. */
export function objectLiteral(properties: readonly (readonly [name: string, value: Code])[]): Code {
  if (properties.length === 0) return ["{}"];
  const body = properties.flatMap(([name, value], index) => [`${index === 0 ? "" : ", "}${name}: `, ...value]);
  return ["{ ", ...body, " }"];
}

/** `[a, b]`, in one line. */
export function arrayLiteral(items: readonly Code[]): Code {
  return ["[", ...items.flatMap((item, index) => (index === 0 ? item : [", ", ...item])), "]"];
}

/** The code as text; `source` is the cell as written. */
export function printCode(pieces: Code, source: string): string {
  return pieces.map((piece) => textOf(piece, source)).join("");
}

function textOf(piece: Piece, source: string): string {
  if (typeof piece === "string") return piece;
  return "text" in piece ? piece.text : source.slice(piece.from, piece.to);
}
