/** @file `${expression}` inside a magic's text: where it ends, and text as a template literal. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the messages are about these placeholders
import type { Code, Piece } from "./code.ts";
import { MagicError } from "./error.ts";
import { typescript } from "./typescript.ts";

/**
 * The offset of the `}` that closes the `${` at `open`. TypeScript's own parser finds it, so braces in strings,
 * templates, regular expressions and comments of the expression are none of our concern.
 */
export function closingBrace(source: string, open: number, end: number): number {
  const parsed = typescript.createSourceFile(
    "cell.ts",
    `\`${source.slice(open, end)}`,
    typescript.ScriptTarget.ES2022,
    true,
  );
  const statement = parsed.statements[0];
  const template = statement && typescript.isExpressionStatement(statement) ? statement.expression : undefined;
  const span = template && typescript.isTemplateExpression(template) ? template.templateSpans[0] : undefined;
  const close = span ? open - 1 + span.literal.getStart(parsed) : -1;
  if (!span || source[close] !== "}" || close >= end) {
    throw new MagicError("`${` has no closing `}`. To write it as text, put a backslash before it: \\${", open, 2);
  }
  if (span.expression.getWidth(parsed) === 0) {
    throw new MagicError("`${}` has no expression. To write it as text, put a backslash before it: \\${}", open, 3);
  }
  return close;
}

/** A text on a magic's line, without the quotes that it may stand in. */
export interface WrittenText {
  readonly from: number;
  readonly to: number;
  /** Between such quotes, a backslash takes one of them, or another backslash, literally. */
  readonly quote?: '"' | "'";
}

/** The text without its quotes, where one pair holds all of it: texts may be quoted as words are. A `;` after them is habit. */
export function withoutQuotes(source: string, from: number, to: number): WrittenText {
  const quote = source[from];
  const whole = { from, to };
  if (quote !== '"' && quote !== "'") return whole;
  for (let at = from + 1; at < to; at++) {
    if (source.startsWith("\\${", at)) at += 2;
    else if (source.startsWith("${", at)) at = closingBrace(source, at, to);
    else if (source[at] === "\\" && quote === '"') at++;
    else if (source[at] === quote)
      return /^;?$/.test(source.slice(at + 1, to)) ? { from: from + 1, to: at, quote } : whole;
  }
  return whole;
}

/** Written text as a template literal in which `${...}` stays code; `\${` is a plain `${`. */
export function templateLiteral(source: string, { from, to, quote }: WrittenText): Code {
  const pieces: Piece[] = ["`"];
  let plain = from;
  const flush = (end: number): void => {
    if (end > plain) pieces.push({ from: plain, to: end });
  };
  for (let at = from; at < to; ) {
    const escaped = source.startsWith("\\${", at);
    if (!escaped && source.startsWith("${", at)) {
      const close = closingBrace(source, at, to);
      flush(at);
      pieces.push("${", { from: at + 2, to: close }, "}");
      at = close + 1;
      plain = at;
    } else if (escaped || source[at] === "`" || source[at] === "\\") {
      flush(at);
      if (quote === '"' && /["\\]/.test(source.charAt(at + 1)) && source[at] === "\\" && at + 1 < to) at++;
      const written = escaped ? "\\${" : source.charAt(at);
      pieces.push({ text: escaped || written === '"' ? written : `\\${written}`, at });
      at += written.length;
      plain = at;
    } else at++;
  }
  flush(to);
  return [...pieces, "`"];
}
