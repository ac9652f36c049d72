/** @file Options that are checked: unknown names are refused with the nearest known one, all faults in one message. */

import { shownJson } from "./describe.ts";
import { GlmError } from "./errors.ts";
import { faultList } from "./fault-list.ts";
import { suggestion } from "./suggestion.ts";

/** What an option is when it is left out, and what it may be. */
export interface OptionRule<T> {
  readonly default: T;
  /** What is expected, for messages. */
  readonly expected: string;
  allows(value: unknown): boolean;
  /** What to write instead of a value that is often tried. */
  remedy?(value: unknown): string | undefined;
}

export type OptionRules<T> = { readonly [K in keyof T]-?: OptionRule<T[K]> };

/** Options as a caller may give them: any of them left out, or undefined. */
export type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

/** A whole number within bounds. */
export function whole(fallback: number, bounds: Bounds): OptionRule<number> {
  const rule = number(fallback, bounds);
  const expected = rule.expected.replace("a number", "a whole number");
  return { ...rule, expected, allows: (value) => Number.isSafeInteger(value) && rule.allows(value) };
}

/** A finite number within bounds. */
export function number(fallback: number, { min, max, above, below }: Bounds): OptionRule<number> {
  const words = [
    ...(min === undefined ? [] : [`from ${min}`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(max === undefined ? [] : [`to ${max}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ];
  return {
    default: fallback,
    expected: ["a number", ...words].join(" "),
    allows: (value) =>
      typeof value === "number" &&
      Number.isFinite(value) &&
      !(min !== undefined && value < min) &&
      !(max !== undefined && value > max) &&
      !(above !== undefined && value <= above) &&
      !(below !== undefined && value >= below),
  };
}

/** One of a few values. */
export function choice<T extends string | boolean>(fallback: T, values: readonly T[]): OptionRule<T> {
  const expected = values.map((value) => JSON.stringify(value)).join(" or ");
  return { default: fallback, expected, allows: (value) => values.includes(value as T) };
}

/**
 * Completes options with their defaults.
 * @param subject who takes the options, for messages: "fit", "load"
 * @param others names of options that are no matter of `rules`
 * @param found faults of those, which are told with the rest
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function complete<T>(
  subject: string,
  rules: OptionRules<T>,
  given: Given<T> | undefined,
  others: readonly string[] = [],
  found: readonly string[] = [],
): T {
  const faults = [...unknownNames(subject, given, [...Object.keys(rules), ...others]), ...found];
  const entries = Object.entries<OptionRule<unknown>>(rules).map(([name, rule]) => {
    const asked = given?.[name as keyof T];
    const value = asked === undefined ? rule.default : asked;
    if (!rule.allows(value)) {
      const remedy = rule.remedy?.(value);
      faults.push(`${name}: expected ${rule.expected}, got ${show(value)}.${remedy === undefined ? "" : ` ${remedy}`}`);
    }
    return [name, value];
  });
  if (faults.length > 0) throw invalid(subject, faults);
  return Object.fromEntries(entries) as T;
}

/**
 * For options that are checked elsewhere, or need no check.
 * @param found what is wrong with them
 * @throws GlmError "option-invalid" that names every option which is none of the known ones
 */
export function refuseUnknown(
  subject: string,
  given: object | undefined,
  known: readonly string[],
  found: readonly string[] = [],
): void {
  const faults = [...unknownNames(subject, given, known), ...found];
  if (faults.length > 0) throw invalid(subject, faults);
}

function unknownNames(subject: string, given: object | undefined, known: readonly string[]): string[] {
  if (given !== undefined && (typeof given !== "object" || given === null)) {
    throw invalid(subject, [`expected options such as { ${known[0]}: ... }, got ${shownJson(given)}.`]);
  }
  return Object.keys(given ?? {})
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: there is no such option.${suggestion(name, known)}`);
}

/** @throws GlmError "option-invalid" with the faults, if there are any */
export function refuse(subject: string, faults: readonly string[]): void {
  if (faults.length > 0) throw invalid(subject, faults);
}

export function invalid(subject: string, faults: readonly string[]): GlmError {
  return new GlmError("option-invalid", `${subject}:${faultList(faults)}`);
}

function show(value: unknown): string {
  return typeof value === "number" ? String(value) : shownJson(value);
}
