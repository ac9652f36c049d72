/** @file What the compiler reads: declaration files without their comments, and local files, which may change. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { withoutAttributes } from "./attributes.ts";
import type { TypeScript, ts } from "./typescript.ts";

/** Extents of the JSDoc comments that begin their lines, what indents them included. By indexOf(): a pattern is slow. */
function* comments(text: string): Generator<readonly [from: number, to: number]> {
  for (let at = text.indexOf("/**"); at >= 0; ) {
    let from = at;
    while (from > 0 && (text[from - 1] === " " || text[from - 1] === "\t")) from--;
    const end = text.indexOf("*/", at + 3);
    if (end < 0) return;
    const beginsLine = from === 0 || text[from - 1] === "\n";
    if (beginsLine) yield [from, end + 2];
    at = text.indexOf("/**", beginsLine ? end + 2 : at + 3);
  }
}

/**
 * Drops the JSDoc of declarations, which is most of their text: TypeScript 5.0 parses it eagerly, a fifth of a kernel's
 * cold start. documentationAt() reads it back for the one symbol that a user asks about. Only for files that are known to
 * have no such text elsewhere: those of TypeScript, of @types/node and of undici-types.
 */
export function withoutComments(text: string): string {
  let kept = "";
  let at = 0;
  for (const [from, to] of comments(text)) {
    kept += text.slice(at, from);
    at = to;
  }
  return kept + text.slice(at);
}

/** Where the place after a token of such a file is in the whole text; comments that follow it are after that place. */
export function offsetWithComments(text: string, offset: number): number {
  let dropped = 0;
  for (const [from, to] of comments(text)) {
    if (from - dropped >= offset) break;
    dropped += to - from;
  }
  return offset + dropped;
}

/** Files of packages and of TypeScript itself, which do not change while a notebook runs. */
export function isLibrary(path: string): boolean {
  return path.includes("/node_modules/");
}

/**
 * A local file as a module, also without imports and exports: what it declares is its own, and it may await. JavaScript
 * is one where Node would say so. What is added stands behind all the rest.
 */
export function asModule(ts: TypeScript, path: string, text: string): string {
  if (!/\.([cm]?[jt]s|[jt]sx)$/.test(path) || /\.d\.[cm]?ts$/.test(path) || isLibrary(path)) return text;
  const plain = withoutAttributes(ts, text);
  const file = ts.createSourceFile(path, plain, ts.ScriptTarget.ES2022);
  if (ts.isExternalModule(file)) return plain;
  const isScript = /\.cjs$/.test(path) || (/\.jsx?$/.test(path) && !awaits(ts, file));
  if (!isScript || (!path.endsWith(".cjs") && packageType(dirname(path)) === "module")) return `${plain}\nexport {};`;
  // This part is for the compiler alone: Node reads the file itself.
  return /\b(exports|require)\b/.test(plain) ? plain : `${plain}\nmodule.exports = {};`;
}

/** Whether a source file, as asModule() gave it to the compiler, is for Node's require(). */
export function isCommonJs(ts: TypeScript, file: ts.SourceFile): boolean {
  return file.fileName.endsWith(".cjs") || (/\.jsx?$/.test(file.fileName) && !ts.isExternalModule(file));
}

/** Whether code awaits outside of all functions, which makes a module of it (as `import.meta` does). */
function awaits(ts: TypeScript, file: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean => {
    if (ts.isFunctionLike(node) || ts.isPropertyDeclaration(node)) return false;
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true;
    return ts.forEachChild(node, visit) ?? false;
  };
  return visit(file);
}

/** `type` of the nearest package.json, as Node looks for it. */
function packageType(folder: string): unknown {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return folder === dirname(folder) ? undefined : packageType(dirname(folder));
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { type?: unknown } | null)?.type;
  } catch {
    return undefined;
  }
}

/**
 * Watches files by looking at their time stamps right before each compilation: exact, and without hundreds of file
 * system watchers (the notebook's folder may be a home directory).
 */
export class LocalFiles {
  readonly #watched = new Map<string, { time: number; readonly callback: ts.FileWatcherCallback }>();

  watch(path: string, callback: ts.FileWatcherCallback): ts.FileWatcher {
    if (isLibrary(path)) return { close: () => {} };
    this.#watched.set(path, { time: timeOf(path), callback });
    return { close: () => this.#watched.delete(path) };
  }

  /** Reports what changed since the last call; 0 and 2 are TypeScript's FileWatcherEventKind Created and Deleted. */
  refresh(): void {
    for (const [path, file] of this.#watched) {
      const time = timeOf(path);
      if (time === file.time) continue;
      const kind = file.time === 0 ? 0 : time === 0 ? 2 : 1;
      file.time = time;
      file.callback(path, kind);
    }
  }
}

/** Milliseconds since 1970, 0 for a file that is not there. */
export function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
