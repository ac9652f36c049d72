/** @file What Node's require() keeps of local files (CommonJS, JSON): forgotten once they have changed. */
import { createRequire } from "node:module";
import { isLibrary, timeOf } from "./sourcefiles.ts";

const { cache } = createRequire(import.meta.url);

/** Milliseconds since 1970 at which each file that was loaded had last been written, 0 for a file that is gone. */
const stamps = new Map<string, number>();

/** To be called whenever something may have been required. */
export function noteRequired(): void {
  for (const file of localFiles()) if (!stamps.has(file)) stamps.set(file, timeOf(file));
}

/** Forgets the files that have changed and those that require them; returns their paths. */
export function forgetChanged(): ReadonlySet<string> {
  const forgotten = new Set<string>();
  const forget = (file: string): void => {
    if (forgotten.has(file)) return;
    forgotten.add(file);
    stamps.delete(file);
    for (const other of localFiles()) {
      if (cache[other]?.children.some(({ filename }) => filename === file)) forget(other);
    }
  };
  for (const [file, time] of [...stamps]) if (timeOf(file) !== time) forget(file);
  for (const file of forgotten) delete cache[file];
  return forgotten;
}

function localFiles(): string[] {
  return Object.keys(cache).filter((file) => !isLibrary(file));
}
