/**
 * @file A small assembler of WebAssembly modules: functions over a memory, with arithmetic on vectors of four floats, which
 * JavaScript has not. Codes are those of WebAssembly's specification 2.0, section 5.
 */

/** Instructions that leave one value, or none, on the stack. */
export type Code = readonly number[];

export const types = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
type Type = (typeof types)[keyof typeof types];

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly Type[];
  readonly result?: Type;
  /** Variables beside the parameters, after which they are numbered. */
  readonly locals: readonly Type[];
  readonly body: Code;
}

/** Bytes of a page of memory. */
export const PAGE: number = 2 ** 16;

/** A whole number from 0 on, as LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128);
  return [...bytes, left];
}

const listed = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (code: Code): number[] => [...unsigned(code.length), ...code];
const section = (id: number, items: readonly Code[]): number[] => [id, ...sized(listed(items))];
const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);

/** The module's bytes. It exports its functions by their names, and `memory`. */
export function wasmModule(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const kinds = functions.map(({ parameters, result }) => [
    0x60,
    ...listed(parameters.map((type) => [type])),
    ...listed(result === undefined ? [] : [[result]]),
  ]);
  const bodies = functions.map(({ locals, body }) =>
    sized([...listed(locals.map((type) => [1, type])), ...body, 0x0b]),
  );
  const exported = functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, kinds),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...section(5, [[0, ...unsigned(pages)]]),
    ...section(7, [...exported, [...text("memory"), 2, 0]]),
    ...section(10, bodies),
  ]);
}

const simd = (code: number): number[] => [0xfd, ...unsigned(code)];
type Unary = (x: Code) => Code;
type Binary = (a: Code, b: Code) => Code;
const unary =
  (code: Code): Unary =>
  (x) => [...x, ...code];
const binary =
  (code: Code): Binary =>
  (a, b) => [...a, ...b, ...code];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];

const offset = (bytes: number): Code => [2, ...unsigned(bytes)];

/** Four floats, side by side, from an address and so many bytes after it. */
export const load = (address: Code, after: number): Code => [...address, ...simd(0x00), ...offset(after)];
export const store = (address: Code, after: number, four: Code): Code => [
  ...[...address, ...four],
  ...[...simd(0x0b), ...offset(after)],
];

/** One float, four times. */
export const splat: Unary = unary(simd(0x13));
export const sqrt: Unary = unary(simd(0xe3));
export const add: Binary = binary(simd(0xe4));
export const sub: Binary = binary(simd(0xe5));
export const mul: Binary = binary(simd(0xe6));
export const div: Binary = binary(simd(0xe7));

const UPPER = [8, 9, 10, 11, 12, 13, 14, 15] as const;
/** The last two of four floats in the place of the first two. */
export const upper: Unary = (four) => [...four, ...four, ...simd(0x0d), ...UPPER, ...UPPER];

/** The first two of four floats as two doubles. */
export const doubles: Unary = unary(simd(0x5f));
export const addDoubles: Binary = binary(simd(0xf0));
export const mulDoubles: Binary = binary(simd(0xf2));
/** The sum of two doubles, one f64. */
export const sumOfDoubles: Unary = (two) => [...two, ...simd(0x21), 0, ...two, ...simd(0x21), 1, 0xa0];

/** Runs `body` for addresses 0, 16, 32, ... below `end`, a multiple of 16 from 16 on. */
export const forEachVector = (address: number, end: Code, body: readonly Code[]): Code => [
  ...[0x03, 0x40],
  ...body.flat(),
  ...set(address, [...get(address), 0x41, 16, 0x6a]),
  ...get(address),
  ...end,
  ...[0x49, 0x0d, 0, 0x0b],
];
