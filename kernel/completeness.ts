/** @file Whether a cell is complete: what a console asks before it runs what was typed, or lets it go on. */
import type { Completeness } from "./language.ts";
import type { TypeScript, ts } from "./typescript.ts";

/** What makes a file a module, as cells are: `await` is allowed then. On the line above, which the parser does not miss. */
const MODULE = "export {};\n";

/**
 * Complete: TypeScript can read it. Incomplete: it comes to the end and wants more. Invalid: something before the end is
 * wrong, so that no line added to it would help.
 */
export function completenessOf(ts: TypeScript, code: string): Completeness {
  const file = ts.createSourceFile("cell.ts", MODULE + code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  const { parseDiagnostics } = file as ts.SourceFile & {
    readonly parseDiagnostics: readonly ts.DiagnosticWithLocation[];
  };
  const [fault] = [...parseDiagnostics].sort((a, b) => a.start - b.start);
  if (endsInText(ts, code)) return { status: "incomplete", indent: "" };
  const isOpen = fault ? isAtEnd(code, fault) : wantsMore(ts, file);
  if (isOpen) return { status: "incomplete", indent: indentAfter(ts, code) };
  return { status: fault ? "invalid" : "complete" };
}

function isAtEnd(code: string, { start, code: fault }: ts.DiagnosticWithLocation): boolean {
  if (/(^|[\n;}])\s*(export|import)\s*$/.test(code)) return true; // the parser points at these, not after them
  return fault !== UNTERMINATED_STRING && start >= MODULE.length + code.trimEnd().length;
}

/** Its place is where it should have ended. */
const UNTERMINATED_STRING = 1002;

/** True where the end is in a template's text or in a comment, or a string goes on after a backslash. */
function endsInText(ts: TypeScript, code: string): boolean {
  const { SyntaxKind } = ts;
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, false, ts.LanguageVariant.Standard, code);
  /** For every `{` that is open: whether it began an expression in a template. */
  const braces: boolean[] = [];
  let before = SyntaxKind.Unknown;
  for (let token = scanner.scan(); token !== SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    if ((token === SyntaxKind.SlashToken || token === SyntaxKind.SlashEqualsToken) && !endsValue(ts, before))
      token = scanner.reScanSlashToken();
    if (token === SyntaxKind.CloseBraceToken && braces.pop()) token = scanner.reScanTemplateToken(false);
    if (token === SyntaxKind.OpenBraceToken) braces.push(false);
    if (token === SyntaxKind.TemplateHead || token === SyntaxKind.TemplateMiddle) braces.push(true);
    if (scanner.isUnterminated()) return isOpenText(ts, token, code);
    if (token !== SyntaxKind.NewLineTrivia && token !== SyntaxKind.WhitespaceTrivia) before = token;
  }
  return false;
}

function isOpenText({ SyntaxKind }: TypeScript, token: ts.SyntaxKind, code: string): boolean {
  if (token === SyntaxKind.StringLiteral) return /\\\r?\n?$/.test(code);
  const isTemplate = token >= SyntaxKind.FirstTemplateToken && token <= SyntaxKind.LastTemplateToken;
  return isTemplate || token === SyntaxKind.MultiLineCommentTrivia;
}

/** True where a slash after the token divides; elsewhere it begins a regular expression. */
function endsValue({ SyntaxKind }: TypeScript, token: ts.SyntaxKind): boolean {
  const isWord =
    token === SyntaxKind.Identifier || token === SyntaxKind.ThisKeyword || token === SyntaxKind.SuperKeyword;
  const isLiteral = token >= SyntaxKind.FirstLiteralToken && token <= SyntaxKind.LastLiteralToken;
  const closes = [SyntaxKind.CloseParenToken, SyntaxKind.CloseBracketToken, SyntaxKind.CloseBraceToken];
  const isConstant = [SyntaxKind.TrueKeyword, SyntaxKind.FalseKeyword, SyntaxKind.NullKeyword].includes(token);
  return isWord || isLiteral || isConstant || token === SyntaxKind.TemplateTail || closes.includes(token);
}

/** What the parser takes, but only because it leaves it to the checker: a head without its body, `const` without a value. */
function wantsMore(ts: TypeScript, file: ts.SourceFile): boolean {
  const last = file.statements.at(-1);
  if (!last || /;\s*$/.test(file.text)) return false;
  const isDeclared =
    ts.canHaveModifiers(last) && ts.getModifiers(last)?.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword);
  if (isDeclared) return false;
  if (ts.isFunctionDeclaration(last)) return last.body === undefined;
  if (!ts.isVariableStatement(last)) return false;
  const { declarations, flags } = last.declarationList;
  if (declarations.length > 0 && !(flags & ts.NodeFlags.Const)) return false;
  return declarations.at(-1)?.initializer === undefined;
}

/** The last line's indentation, and two more where it opens a bracket that it does not close. */
function indentAfter(ts: TypeScript, code: string): string {
  const line = /[^\n]*$/.exec(code.trimEnd())?.[0] ?? "";
  const indent = /^\s*/.exec(line)?.[0] ?? "";
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, line);
  let open = 0;
  for (let token = scanner.scan(); token !== ts.SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    const text = scanner.getTokenText();
    if (["(", "[", "{", "${"].includes(text) || text.endsWith("${")) open++;
    else if ([")", "]", "}"].includes(text)) open = Math.max(0, open - 1);
  }
  return open > 0 ? `${indent}  ` : indent;
}
