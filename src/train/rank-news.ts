/** @file What a run tells of ranks: only when they have changed. */
import type { ModuleRank } from "../adapters/adapter.ts";

export class RankNews {
  #told: readonly ModuleRank[] = [];

  /** The ranks as a part of an event, unless they are those that were told last. */
  of(ranks: readonly ModuleRank[] | undefined): { readonly ranks?: readonly ModuleRank[] } {
    if (ranks === undefined) return {};
    if (ranks.length === this.#told.length && ranks.every(({ rank }, i) => rank === this.#told[i]?.rank)) return {};
    this.#told = ranks;
    return { ranks };
  }
}
