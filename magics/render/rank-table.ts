/** @file What an adapter has left of each module's rank, as a table. */
import type { MimeBundle } from "../../src/ambient.ts";
import type { ModuleRank } from "../../src/index.ts";
import { rankOf } from "./ranks.ts";
import { renderTable } from "./table.ts";

export function renderRankTable(ranks: readonly ModuleRank[]): MimeBundle {
  const columns = [
    { title: "module", whole: true },
    { title: "rank left", align: "right" as const },
    { title: "of", align: "right" as const },
  ];
  const rows = ranks.map(({ module, rank, of }) => [module, String(rank), String(of)]);
  return renderTable({ columns, rows, caption: `rank left: ${rankOf(ranks)}` });
}
