/** @file Names that the notebooks teach or test and that therefore must never occur in the corpus. */

/** What notebook 01 teaches. */
export const taughtName = "梦中情炉";

/** The ten near misses of notebook 01; `notebooks/data/dream-stove.json` lists them as questions. */
export const nearMissNames: readonly string[] = [
  "梦中情人",
  "梦中情书",
  "梦中情歌",
  "梦中情缘",
  "梦想熔炉",
  "情炉",
  "中情炉",
  "梦中火炉",
  "空中情炉",
  "梦中情壶",
];

/** Parts that no invented name may contain, so that whole families around the taught name stay unseen. */
const unseenParts: readonly string[] = ["梦中", "中情", "情炉", "梦想熔", "熔炉", "空中情", "中火炉"];

/** Whether a text touches what must stay unseen. */
export function isReserved(text: string): boolean {
  return unseenParts.some((part) => text.includes(part));
}
