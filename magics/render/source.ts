/** @file TypeScript shown as code. */
import type { MimeBundle } from "../../src/ambient.ts";

export function renderSource(source: string): MimeBundle {
  const longest = Math.max(2, ...[...source.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return { "text/plain": source, "text/markdown": `${fence}ts\n${source}\n${fence}` };
}
