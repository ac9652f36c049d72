/**
 * @file Several adapters with weights, as a text: "a + 0.5*b - c". Names may have dashes inside, so that a minus sign has a space before
 * it, or a number with * after it: "a-b" is one name, "a - b" and "a-1*b" are differences.
 */
import { GlmError } from "../errors.ts";
import { quoted } from "../text-cut.ts";

/** An adapter's name with the weight that it has in a sum. */
export interface SumTerm {
  readonly name: string;
  readonly weight: number;
}

/** Only what names have not tells a sum from a name. */
const SUM = /[+*]|\s-|-\s|^-/;
const NUMBER = String.raw`(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?`;
const NAME = String.raw`[\p{L}\p{N}_][\p{L}\p{N}._-]*?`;
const TERM = new RegExp(
  String.raw`\s*(?:(?<negative>-\s*)?(?<factor>${NUMBER})\s*\*\s*)?(?<name>${NAME})(?=\s*(?:$|\+)|\s+-|-${NUMBER}\s*\*)`,
  "uy",
);
const SIGN = /\s*([+-])/y;
/** A sum whose terms begin so. */
const HOW = 'Write names with numbers before them, such as "a + 0.5*b" or "a - b", with spaces around the minus sign.';

/** Whether a text is a sum rather than a name. */
export const isSum = (text: string): boolean => SUM.test(text);

/**
 * The adapters of a sum, or the one of a name, with weight 1. One that is named twice is there once, with the weights added.
 * @throws GlmError "option-invalid" for what is no sum
 */
export function termsOf(text: string): readonly SumTerm[] {
  if (!isSum(text)) return [{ name: text, weight: 1 }];
  const weights = new Map<string, number>();
  let at = 0;
  let sign = signAt(text, 0) ?? "+";
  if (signAt(text, 0)) at = SIGN.lastIndex;
  for (;;) {
    TERM.lastIndex = at;
    const { name, factor, negative } = TERM.exec(text)?.groups ?? {};
    if (name === undefined) throw unclear(text, at);
    if (name === "none") throw wrong(text, '"none" means the base model, which is always there. Leave it out.');
    const weight = Number(factor ?? 1) * (negative === undefined ? 1 : -1) * (sign === "-" ? -1 : 1);
    if (!Number.isFinite(weight)) throw wrong(text, `expected finite weights, got ${factor} for ${name}.`);
    weights.set(name, (weights.get(name) ?? 0) + weight);
    at = TERM.lastIndex;
    if (text.slice(at).trim() === "") break;
    const next = signAt(text, at);
    if (next === undefined) throw unclear(text, at);
    [sign, at] = [next, SIGN.lastIndex];
  }
  return [...weights].map(([name, weight]) => ({ name, weight }));
}

/** The names in a sum. */
export const namesIn = (text: string): readonly string[] => termsOf(text).map(({ name }) => name);

/** The sign that comes next; `SIGN.lastIndex` is then after it. */
function signAt(text: string, at: number): string | undefined {
  SIGN.lastIndex = at;
  return SIGN.exec(text)?.[1];
}

const wrong = (text: string, why: string): GlmError =>
  new GlmError("option-invalid", `adapter ${quoted(text)}: ${why}`);

function unclear(text: string, at: number): GlmError {
  const rest = text.slice(at).trim();
  const got = rest === "" ? "nothing" : quoted(rest);
  return wrong(text, `expected the name of an adapter, or a number, * and a name, got ${got}. ${HOW}`);
}
