/** @file Ranks of modules in words. */
import type { ModuleRank } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { grouped } from "./text.ts";

/** Of all modules together. */
export const totalRank = (ranks: readonly ModuleRank[]): { readonly rank: number; readonly of: number } => ({
  rank: ranks.reduce((sum, { rank }) => sum + rank, 0),
  of: ranks.reduce((sum, { of }) => sum + of, 0),
});

/** "12 of 24 in 4 modules, 2 to 5 of each". */
export function rankOf(ranks: readonly ModuleRank[]): string {
  const { rank, of } = totalRank(ranks);
  const each = ranks.map((one) => one.rank);
  const [least, most] = [Math.min(...each), Math.max(...each)];
  const range = least === most ? `${least}` : `${least} to ${most}`;
  return `${grouped(rank)} of ${grouped(of)} in ${plural(ranks.length, "module")}, ${range} of each`;
}

/** Names of modules without the beginning that they share: "0.self_attention.dense". */
export function shortModules(modules: readonly string[]): string[] {
  const parts = modules.map((module) => module.split("."));
  const [first = []] = parts;
  let shared = 0;
  while (
    shared < first.length - 1 &&
    parts.every((part) => part.length > shared + 1 && part[shared] === first[shared])
  ) {
    shared += 1;
  }
  return parts.map((part) => part.slice(shared).join("."));
}
