/** @file Compiles cells and answers questions about them: the notebook's view of TypeScript. */

import type { MimeBundle } from "../src/ambient.ts";
import { withoutAttributes } from "./attributes.ts";
import { type FunctionBody, toFunctionBody } from "./commonjs.ts";
import { completenessOf } from "./completeness.ts";
import { attempt, describe } from "./describe.ts";
import { documentationAt, isUnknownAt } from "./documentation.ts";
import { isLocalCommonJs } from "./emit.ts";
import type { Completeness, Completion } from "./language.ts";
import { uninterruptible } from "./terminate.ts";
import { type ConverterOptions, type Diagnostic, type LoadedConverter, loadConverter } from "./tslab.ts";
import type { ts } from "./typescript.ts";

/** A cell, or a local file that it imports, ready to run. */
export interface CompiledModule extends FunctionBody {
  /** The ES module that tslab made, with its source map inline. */
  readonly module: string;
}

export interface CompiledCell extends CompiledModule {
  /** Declarations of all the notebook's variables after this cell: to be given to the next one. */
  readonly declarations: string;
  /** The variable that holds the value of the last expression. */
  readonly result?: string;
  /** Local files that are new or have changed, by their paths. */
  readonly files: ReadonlyMap<string, CompiledModule>;
  /** Local files that are not compiled, since they are for Node's require(). */
  readonly commonJs: ReadonlySet<string>;
}

/** What is wrong with a cell, or with a local file: then `file` is its path relative to the notebook. */
export interface Complaint {
  readonly code: number;
  readonly message: string;
  readonly file?: string;
  /** Counts from 1. */
  readonly line: number;
  /** Counts from 0. */
  readonly column: number;
  /** UTF-16 units; 0 when it goes over a line's end. */
  readonly length: number;
}

export type Compilation = { readonly cell: CompiledCell } | { readonly complaints: readonly Complaint[] };

/** TypeScript itself failed at a cell, which is no fault of its types: most often one that is nested too deeply. */
class CompilerError extends Error {
  override readonly name = "CompilerError";
}

export class Compiler {
  readonly #options: ConverterOptions;
  #loaded: LoadedConverter | undefined;

  /** Takes the better part of a second. */
  constructor(options: ConverterOptions) {
    this.#options = options;
    this.#loaded = loadConverter(options);
  }

  /**
   * `declarations` are those of the cells before.
   * @throws CompilerError when TypeScript fails at the cell; the next one can be compiled all the same
   */
  compile(declarations: string, code: string): Compilation {
    return this.#ask((loaded) => compile(loaded, declarations, code));
  }

  /** The code in parentheses, a character more before it, if it is one expression and nothing else. */
  asExpression(code: string): string | undefined {
    return this.#ask(({ ts }) => {
      const wrapped = `(${code}\n)`;
      const file = ts.createSourceFile("cell.ts", wrapped, ts.ScriptTarget.ES2022);
      const [statement, ...others] = file.statements;
      const isWhole =
        statement !== undefined &&
        ts.isExpressionStatement(statement) &&
        ts.isParenthesizedExpression(statement.expression) &&
        statement.expression.end === wrapped.length;
      return isWhole && others.length === 0 ? wrapped : undefined;
    });
  }

  complete(declarations: string, code: string, cursor: number): Completion {
    return this.#ask(({ converter, refresh }) => {
      refresh();
      const { candidates, start, end } = converter.complete(declarations, code, cursor);
      return { matches: candidates, start, end };
    });
  }

  /** The type of what is at the cursor and what its author says about it; undefined for names that nothing has. */
  inspect(declarations: string, code: string, cursor: number): MimeBundle | undefined {
    return this.#ask((loaded) => inspect(loaded, declarations, code, cursor));
  }

  isComplete(code: string): Completeness {
    return this.#ask(({ ts }) => completenessOf(ts, code));
  }

  /** What TypeScript was doing when it failed stays half done, so the next question is asked of a new converter. */
  #ask<T>(question: (loaded: LoadedConverter) => T): T {
    return uninterruptible(() => {
      this.#loaded ??= loadConverter(this.#options);
      try {
        return question(this.#loaded);
      } catch (cause) {
        attempt(() => this.#loaded?.converter.close());
        this.#loaded = undefined;
        throw failed(cause);
      }
    });
  }
}

function failed(cause: unknown): CompilerError {
  const isTooDeep = cause instanceof RangeError && /call stack/.test(cause.message);
  // The stack of the former would only tell how TypeScript goes through a tree.
  return new CompilerError(
    isTooDeep
      ? "This cell is nested too deeply for TypeScript: expected at most several hundred calls in one chain, or brackets " +
          "or operators within each other, got so many that its stack ran over. Put parts of the expression into variables, or data into a file."
      : `TypeScript expected a cell that it can compile, and failed at this one: ${describe(cause)}. Write it another way.`,
    isTooDeep ? {} : { cause },
  );
}

function compile(loaded: LoadedConverter, declarations: string, code: string): Compilation {
  const { ts, converter, refresh, takeFiles, program } = loaded;
  refresh();
  const source = withoutExports(ts, withoutAttributes(ts, code));
  const { diagnostics, output, declOutput, lastExpressionVar } = converter.convert(declarations, source);
  const changed = takeFiles();
  if (diagnostics.length > 0) {
    return { complaints: diagnostics.map(toComplaint) };
  }
  const toModule = (text: string, last?: string): CompiledModule => {
    return { module: text, ...toFunctionBody(ts, text, last) };
  };
  const files = new Map<string, CompiledModule>();
  for (const [path, text] of changed) files.set(path, toModule(text));
  const sources = program().getSourceFiles();
  const commonJs = new Set(sources.filter((file) => isLocalCommonJs(ts, file)).map(({ fileName }) => fileName));
  const result = lastExpressionVar === undefined ? {} : { result: lastExpressionVar };
  return {
    cell: {
      ...toModule(output ?? "", lastExpressionVar),
      declarations: declOutput ?? "",
      files,
      commonJs,
      ...result,
    },
  };
}

function inspect(
  { ts, converter, refresh, program }: LoadedConverter,
  declarations: string,
  code: string,
  cursor: number,
): MimeBundle | undefined {
  refresh();
  const info: ts.QuickInfo | undefined = converter.inspect(declarations, code, cursor);
  if (!info?.displayParts?.length) return undefined;
  if (isUnknownAt(ts, program(), info.textSpan.start)) return undefined;
  const signature = info.displayParts.map((part) => part.text).join("");
  const documentation = ownDocumentation(info) || documentationAt(ts, program(), info.textSpan.start);
  const markdown = `\`\`\`typescript\n${signature}\n\`\`\`\n${documentation}`;
  return {
    "text/plain": documentation ? `${signature}\n\n${documentation}` : signature,
    "text/markdown": markdown,
  };
}

function toComplaint({ code, messageText, fileName, start, end }: Diagnostic): Complaint {
  const length = end.line === start.line ? end.character - start.character : 0;
  const file = fileName === undefined ? {} : { file: fileName };
  return { code, message: messageText, line: start.line + 1, column: start.character, length, ...file };
}

function ownDocumentation({ documentation, tags }: ts.QuickInfo): string {
  const texts = (parts: readonly ts.SymbolDisplayPart[] | undefined): string =>
    (parts ?? []).map((part) => part.text).join("");
  const lines = [texts(documentation), ...(tags ?? []).map((tag) => `@${tag.name} ${texts(tag.text)}`)];
  return lines.filter((line) => line !== "").join("\n\n");
}

/** Blanks `export` before declarations: every variable of a cell is exported anyhow, and pasted code often has it. */
function withoutExports(ts: LoadedConverter["ts"], code: string): string {
  if (!code.includes("export")) return code;
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ES2022);
  let blanked = code;
  for (const statement of file.statements) {
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)) continue;
    const keyword = modifiers.find(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (keyword)
      blanked =
        blanked.slice(0, keyword.end - "export".length) + " ".repeat("export".length) + blanked.slice(keyword.end);
  }
  return blanked;
}
