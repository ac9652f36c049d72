/** @file What the compiler reads: declaration files without their comments, and local files that may change. */
import { statSync } from "node:fs";
import type { ts } from "./tslab.ts";

/**
 * Blanks the JSDoc of declarations, keeping every offset: TypeScript 5.0 parses it eagerly, a fifth of a kernel's cold
 * start. documentationAt() reads it back for the one symbol that a user asks about. Only for files that are known to
 * have no such text elsewhere: those of TypeScript and of @types/node.
 */
export function withoutComments(text: string): string {
  return text.replace(/^[ \t]*\/\*\*[\s\S]*?\*\//gm, (comment) => `\n${" ".repeat(comment.length - 1)}`);
}

/** Files of packages and of TypeScript itself, which do not change while a notebook runs. */
function isLibrary(path: string): boolean {
  return path.includes("/node_modules/");
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
function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
