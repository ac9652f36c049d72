/**
 * @file Where magics begin in a cell.
 *
 * A `%` is also the modulo operator, and the text of strings, templates and comments is full of them. So TypeScript's
 * own parser is asked about every candidate: what is before it is parsed with a harmless statement (or literal, or
 * operand) put in its place. A magic begins where that is read as a statement or as a value, and only there.
 */
import type ts from "@tslab/typescript-for-tslab";
import { typescript } from "./typescript.ts";

export interface Candidate {
  /** The offset of the `%`. */
  readonly at: number;
  readonly percents: number;
  readonly name: string;
  /** The offset after the name. */
  readonly nameEnd: number;
}

/** The next `%name` at or after `start` that stands where a magic could: first on its line, or after `;`, `=` and such. */
export function nextCandidate(source: string, start: number): Candidate | undefined {
  const pattern = /(%{1,2})([A-Za-z][\w-]*)/g;
  pattern.lastIndex = start;
  for (let match = pattern.exec(source); match; match = pattern.exec(source)) {
    const before = source.slice(0, match.index).trimEnd();
    const onItsOwnLine = source.slice(before.length, match.index).includes("\n");
    if (before !== "" && !onItsOwnLine && !/[;={}(),:?>&|[]$|\b(return|await|else|do)$/.test(before)) continue;
    const [whole, percents = "", name = ""] = match;
    return { at: match.index, percents: percents.length, name, nameEnd: match.index + whole.length };
  }
  return undefined;
}

/** What may stand after `prefix`: as TypeScript reads it. */
export interface Place {
  readonly statement: boolean;
  readonly value: boolean;
  /** A `%` here is an operator: what precedes is an expression. */
  readonly operator: boolean;
}

export function placeAfter(prefix: string): Place {
  return {
    statement: reads(prefix, "debugger;", (node) => node.kind === typescript.SyntaxKind.DebuggerStatement),
    value: reads(prefix, "0", (node) => node.kind === typescript.SyntaxKind.NumericLiteral),
    operator: reads(prefix, "%0", (node) => node.kind === typescript.SyntaxKind.PercentToken),
  };
}

/** True when TypeScript finds nothing wrong on the first line of `rest`, taken as the right side of a modulo. */
export function readsAsModulo(rest: string): boolean {
  const text = `0\n${rest}`;
  const lineEnd = rest.search(/\r?\n|$/) + 2;
  return !faults(parse(text)).some((start) => start < lineEnd);
}

/** True when the TypeScript before the magic declares the name. */
export function declares(prefix: string, name: string): boolean {
  let found = false;
  const visit = (node: ts.Node): void => {
    const named = typescript.isIdentifier(node) && node.text === name;
    const parent: ts.Node | undefined = node.parent;
    if (named && parent && "name" in parent && parent.name === node && !typescript.isPropertyAccessExpression(parent))
      found = true;
    if (!found) typescript.forEachChild(node, visit);
  };
  visit(parse(prefix));
  return found;
}

/** Puts `probe` after `prefix` and sees whether it is read, without a fault, as what it should be. */
function reads(prefix: string, probe: string, isMeant: (node: ts.Node) => boolean): boolean {
  const source = parse(prefix + probe);
  const at = prefix.length;
  const blankFrom = prefix.trimEnd().length;
  if (faults(source).some((start) => start >= blankFrom && start < at + probe.length)) return false;
  let found = false;
  const visit = (node: ts.Node): void => {
    if (node.end <= at || node.pos > at) return;
    if (node.getStart(source) === at && isMeant(node)) found = true;
    else typescript.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function parse(text: string): ts.SourceFile {
  return typescript.createSourceFile("cell.ts", text, typescript.ScriptTarget.ES2022, true);
}

/** Starts of the syntax errors. They are on every parsed file, though TypeScript's declarations keep them internal. */
function faults(source: ts.SourceFile): readonly number[] {
  const { parseDiagnostics } = source as ts.SourceFile & { readonly parseDiagnostics: readonly ts.Diagnostic[] };
  return parseDiagnostics.map((fault) => fault.start ?? 0);
}
