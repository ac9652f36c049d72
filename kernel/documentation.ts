/** @file Reads the doc comment of one declaration from its file, since the compiler is given library files without. */
import { offsetWithComments } from "./sourcefiles.ts";
import type { TypeScript, ts } from "./typescript.ts";

/** Lines that tslab puts before a cell. */
const PREFIX = "export {};\n";

/**
 * What the doc comment says about the symbol at an offset of the cell that `program` holds: Markdown, "" for nothing.
 */
export function documentationAt(ts: TypeScript, program: ts.Program, offset: number): string {
  const cell = cellOf(program);
  if (!cell) return "";
  const checker = program.getTypeChecker();
  let symbol = checker.getSymbolAtLocation(nodeAt(ts, cell, offset + PREFIX.length));
  if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  for (const declaration of symbol?.declarations ?? []) {
    const comment = commentOf(ts, declaration);
    if (comment) return comment;
  }
  return "";
}

/** Whether a name at an offset of the cell, as above, stands for nothing that is known, to which the checker gives `any`. */
export function isUnknownAt(ts: TypeScript, program: ts.Program, offset: number): boolean {
  const cell = cellOf(program);
  if (!cell) return false;
  const checker = program.getTypeChecker();
  const node = nodeAt(ts, cell, offset + PREFIX.length);
  if (!ts.isIdentifier(node) && !ts.isPrivateIdentifier(node)) return false;
  const symbol = checker.getSymbolAtLocation(node);
  if (!symbol) return true;
  const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
  if (isAlias) return !checker.getAliasedSymbol(symbol).declarations?.length;
  return (symbol.flags & ts.SymbolFlags.TypeAlias) !== 0 && !symbol.declarations?.length;
}

function cellOf(program: ts.Program): ts.SourceFile | undefined {
  return program.getSourceFiles().find(({ fileName }) => fileName.endsWith("/__tslab__.ts"));
}

/** The innermost node that starts at or spans the offset. */
function nodeAt(ts: TypeScript, file: ts.SourceFile, offset: number): ts.Node {
  let found: ts.Node = file;
  const visit = (node: ts.Node): void => {
    if (node.getStart(file) > offset || node.end <= offset) return;
    found = node;
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return found;
}

function commentOf(ts: TypeScript, declaration: ts.Declaration): string {
  const isVariable = ts.isVariableDeclaration(declaration) && ts.isVariableStatement(declaration.parent.parent);
  const node = isVariable ? declaration.parent.parent : declaration;
  const { fileName, text: read } = declaration.getSourceFile();
  const text = ts.sys.readFile(fileName);
  if (text === undefined) return "";
  const at = text.length === read.length ? node.pos : offsetWithComments(text, node.pos);
  const ranges = ts.getLeadingCommentRanges(text, at) ?? [];
  const comment = ranges.map(({ pos, end }) => text.slice(pos, end)).findLast((range) => range.startsWith("/**"));
  return comment === undefined ? "" : plain(comment);
}

/** The comment without its frame of stars. */
function plain(comment: string): string {
  return comment
    .slice("/**".length, -"*/".length)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();
}
