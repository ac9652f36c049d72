/** @file Habits from IPython, `!ls`, `name?`, `${name}`, in a cell that TypeScript does not understand: what to write instead. */
import type ts from "@tslab/typescript-for-tslab";
import { MagicError } from "./error.ts";
import { PRELUDE } from "./expand.ts";
import { inspectRemedy, shellRemedy } from "./foreign.ts";
import { typescript } from "./typescript.ts";

/** Something in a cell that looks like a habit. */
interface Suspect {
  readonly at: number;
  readonly length: number;
  /** The name that TypeScript does not know where this is a habit indeed; none where it cannot even be read. */
  readonly name?: { readonly at: number; readonly isCommand: boolean };
  /** What could stand there in TypeScript. */
  readonly stand: "0" | "0;";
  readonly message: () => string;
}

/** A name that nothing has: where it is, and whether TypeScript knows one that is much like it. */
export interface UnknownName {
  readonly at: number;
  readonly isLikeAnother: boolean;
}

const COMMANDS = new Set(
  "apt awk bash brew cat cd chmod conda cp curl date df dir docker du echo env find free git grep head htop kill less ll ls mamba make man mkdir more mv npm npx nvidia-smi pip pip3 pnpm ps pwd pytest python python3 rm rmdir sed sh sort sudo tail tar touch unzip wc wget which whoami yarn zip".split(
    " ",
  ),
);

/**
 * The habit that a cell does not compile for, if it is one.
 * @param unknown names in the code that TypeScript found to be unknown
 */
export function habitIn(code: string, unknown: readonly UnknownName[] = []): MagicError | undefined {
  const faults = faultsOf(code);
  for (const suspect of suspects(code)) {
    if (isUnknown(suspect, unknown) || (faults.length > 0 && isFault(code, suspect, faults))) {
      return new MagicError(suspect.message(), suspect.at, suspect.length);
    }
  }
  return undefined;
}

function isUnknown({ name }: Suspect, unknown: readonly UnknownName[]): boolean {
  return unknown.some(({ at, isLikeAnother }) => name?.at === at && (name.isCommand || !isLikeAnother));
}

/** Whether the cell reads better with something plain in its place. */
function isFault(code: string, { at, length, stand }: Suspect, faults: readonly number[]): boolean {
  const without = code.slice(0, at) + stand.padEnd(length) + code.slice(at + length);
  const rest = faultsOf(without);
  const first = (starts: readonly number[]): number => Math.min(...starts, Number.POSITIVE_INFINITY);
  return rest.length < faults.length || first(rest) > Math.max(first(faults), at + length);
}

function* suspects(code: string): Generator<Suspect> {
  const first = code.startsWith(PRELUDE) ? PRELUDE.length : 0;
  for (const { index, 0: line } of code.slice(first).matchAll(/[^\n]+/g)) {
    yield* shellIn(line, first + index);
    yield* questionIn(line, first + index);
  }
  yield* holesIn(code);
}

/** `!ls -la`, `const files = !ls`, and `pip install x` without its sign. */
function* shellIn(line: string, start: number): Generator<Suspect> {
  const match = /^(\s*(?:(?:(?:const|let|var)\s+)?[\w$]+\s*=\s*)?)(!{1,2}\s*)([\w./~-]+)(.*)$/.exec(line);
  const plain =
    /^(\s*)()((?:pip3?|conda|mamba|npm|npx|pnpm|yarn|apt|brew|git)(?=\s+\w)|(?:cd|ls|pwd|cat|mkdir)\b(?!\s*[=(.]))(.*)$/.exec(
      line,
    );
  const [, before = "", sign = "", program = "", rest = ""] = match ?? plain ?? [];
  if (program === "") return;
  const at = start + before.length;
  const written = `${sign}${program}${rest}`.replace(/\s*;?\s*$/, "");
  const isCommand = COMMANDS.has(program);
  // With an operator or a value to take it, it may well be meant as "not".
  const isAlone = before.trim() === "" && /^(\s+-[\w-]+)*\s*;?\s*$/.test(rest);
  const name = isCommand || isAlone ? { name: { at: at + sign.length, isCommand } } : {};
  const message = (): string =>
    `\`${written}\` is a command of the shell, which IPython would run; cells are TypeScript. ${shellRemedy(written.replace(/^!+\s*/, ""))}`;
  yield { at, length: written.length, ...name, stand: "0;", message };
}

/** `?name`, `name?`, `%name?`, and two of the signs. */
function* questionIn(line: string, start: number): Generator<Suspect> {
  const match = /^(\s*)(?:(\?{1,2})\s*(%{0,2}[\w$.]*)|(%{0,2}[\w$.]+)(\?{1,2}))\s*;?\s*$/.exec(line);
  if (!match) return;
  const [, before = "", , after = "", name = after] = match;
  const written = line.trim().replace(/\s*;$/, "");
  const message = (): string =>
    `\`${written}\` is how IPython is asked about a name; cells are TypeScript. ${inspectRemedy(name)}`;
  yield { at: start + before.length, length: written.length, stand: "0;", message };
}

/** `${name}` outside of all templates. */
function* holesIn(code: string): Generator<Suspect> {
  for (const { index, 0: written, 1: inner = "" } of code.matchAll(/\$\{([^{}\n]*)\}/g)) {
    const expression = inner.trim() || "name";
    const message = (): string =>
      `\`${written}\` stands for a value in the text of a magic, and of TypeScript between backquotes: \`... ${written}\`. Elsewhere write: ${expression}`;
    yield { at: index, length: written.length, name: { at: index, isCommand: true }, stand: "0", message };
  }
}

/** Starts of the syntax errors. */
function faultsOf(code: string): readonly number[] {
  const file = typescript.createSourceFile("cell.ts", `export {};\n${code}`, typescript.ScriptTarget.ES2022);
  const { parseDiagnostics } = file as ts.SourceFile & { readonly parseDiagnostics: readonly ts.Diagnostic[] };
  return parseDiagnostics.map(({ start = 0 }) => start - "export {};\n".length);
}
