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

/** Written text as a template literal in which `${...}` stays code; `\${` is a plain `${`. */
export function templateLiteral(source: string, from: number, to: number): Code {
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
      const written = escaped ? "\\${" : source.charAt(at);
      pieces.push({ text: escaped ? written : `\\${written}`, at });
      at += written.length;
      plain = at;
    } else at++;
  }
  flush(to);
  return [...pieces, "`"];
}
