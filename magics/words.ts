/** @file Splits the line of a magic into words, quoted as in a shell, and knows where each was written. */
import { MagicError } from "./error.ts";
import { closingBrace } from "./interpolate.ts";

export interface Word {
  /** Without its quotes. For `${expression}`, the expression. */
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** True when any part of it was quoted: then it is never an option. */
  readonly quoted: boolean;
  /** True when the word is `${expression}`: the text is TypeScript, written from `from + 2` up to `to - 1`. */
  readonly expression: boolean;
}

/**
 * The next word at or after `start`, or undefined at `end`. A backslash takes the next character literally when that
 * could mean something (quote, space, backslash, `$`); elsewhere it is itself, so Windows paths survive.
 */
export function nextWord(source: string, start: number, end: number): Word | undefined {
  const from = skipBlanks(source, start, end);
  if (from >= end) return undefined;
  if (source.startsWith("${", from)) {
    const close = closingBrace(source, from, end);
    const to = close + 1;
    if (to === end || isBlank(source, to)) {
      return { text: source.slice(from + 2, close).trim(), from, to, quoted: false, expression: true };
    }
  }
  let text = "";
  let quoted = false;
  let hole: number | undefined;
  let at = from;
  while (at < end && !isBlank(source, at)) {
    const character = source.charAt(at);
    if (character === '"' || character === "'") {
      const [inner, after] = quotedPart(source, at, end);
      if (character === '"') hole ??= holeIn(source, at + 1, after - 1);
      text += inner;
      quoted = true;
      at = after;
    } else if (character === "\\" && /["'\\$ ]/.test(source.charAt(at + 1)) && at + 1 < end) {
      text += source.charAt(at + 1);
      at += 2;
    } else {
      if (source.startsWith("${", at)) hole ??= at;
      text += character;
      at++;
    }
  }
  if (hole !== undefined) throw partialExpression(source, hole, end, text);
  return { text, from, to: at, quoted, expression: false };
}

/** The first `${` in a quoted part that is not written as text. */
function holeIn(source: string, from: number, to: number): number | undefined {
  for (let at = from; at < to; at++) {
    if (source[at] === "\\") at++;
    else if (source.startsWith("${", at)) return at;
  }
  return undefined;
}

/** Only a whole word can be an expression, so that its type is that of the option. */
function partialExpression(source: string, hole: number, end: number, text: string): MagicError {
  const close = source.indexOf("}", hole);
  const to = close < 0 || close >= end ? end : close + 1;
  const written = source.slice(hole, to);
  const remedy = `Write the whole word as one: \${\`${text}\`}`;
  const message = `"${written}" is part of a word, and an expression is a word of its own. ${remedy}. To write it as text, put a backslash before it: \\${written}`;
  return new MagicError(message, hole, to - hole);
}

/** All words up to `end`, or to a `//` comment that starts a word. */
export function words(source: string, start: number, end: number): readonly Word[] {
  const found: Word[] = [];
  for (let word = nextWord(source, start, end); word; word = nextWord(source, word.to, end)) {
    if (!word.quoted && word.text.startsWith("//")) break;
    found.push(word);
  }
  return found;
}

/** A text as one word of a magic's line: quoted where it has to be. */
export function asWord(text: string): string {
  return /^(?!--|\/\/|\$\{)[^\s"'\\;]+$/.test(text) ? text : `"${text.replace(/["\\$]/g, "\\$&")}"`;
}

/** Blanks between words; a backslash at the end of a line joins it with the next. */
export function skipBlanks(source: string, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(source, at)) at++;
  return at;
}

function isBlank(source: string, at: number): boolean {
  const character = source.charAt(at);
  if (character === "\\") return /^\\\r?\n/.test(source.slice(at, at + 3));
  return character === " " || character === "\t" || character === "\r" || character === "\n" || character === "\u3000";
}

function quotedPart(source: string, open: number, end: number): readonly [inner: string, after: number] {
  const quote = source.charAt(open);
  let inner = "";
  for (let at = open + 1; at < end; at++) {
    const character = source.charAt(at);
    if (character === quote) return [inner, at + 1];
    if (character === "\\" && quote === '"' && /["\\$]/.test(source.charAt(at + 1))) {
      inner += source.charAt(++at);
    } else inner += character;
  }
  throw new MagicError(`The quote ${quote} is not closed.`, open, 1);
}
