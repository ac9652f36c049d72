/** @file A table as HTML and as aligned text. */
import type { MimeBundle } from "../../src/ambient.ts";
import { columnsOf, escapeHtml, fitted, padded } from "./text.ts";

/** Columns of a terminal that a table's text takes at most, as long as its texts can be cut. */
const MOST_COLUMNS = 100;
/** Columns that a cut text keeps at least. */
const LEAST_COLUMNS = 12;
const GAP = "  ";

export interface Column {
  readonly title: string;
  /** Numbers are set right. */
  readonly align?: "left" | "right";
  /** Names that say nothing without their ends are never cut, however wide the text becomes. */
  readonly whole?: boolean;
}

export interface Table {
  readonly columns: readonly Column[];
  /** A cell for each column; one alone is a heading of the rows below it, over all columns. */
  readonly rows: readonly (readonly string[])[];
  readonly caption?: string;
  /** Said in place of rows when there are none. */
  readonly empty?: string;
}

export function renderTable(table: Table): MimeBundle {
  return { "text/plain": plainTable(table), "text/html": htmlTable(table) };
}

function plainTable({ columns, rows, caption, empty }: Table): string {
  const head = caption === undefined ? [] : [caption];
  if (rows.length === 0 && empty !== undefined) return [...head, empty].join("\n");
  const flat = rows.map((row) => row.map((cell) => cell.replace(/\s*\n\s*/g, " ⏎ ")));
  const widths = narrowed(
    columns,
    columns.map(({ title }, index) =>
      Math.max(columnsOf(title), ...flat.map((row) => (isHeading(row, columns) ? 0 : columnsOf(row[index] ?? "")))),
    ),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => {
        const width = widths[index] ?? 0;
        return padded(fitted(cells[index] ?? "", width), width, align === "right" ? "start" : "end");
      })
      .join(GAP)
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join(GAP);
  const lines = flat.map((row) => (isHeading(row, columns) ? (row[0] as string) : line(row)));
  return [...head, line(columns.map((column) => column.title)), rule, ...lines].join("\n");
}

const isHeading = (row: readonly string[], columns: readonly Column[]): boolean =>
  row.length === 1 && columns.length > 1;

/** Widths that fit: the widest texts give way, to one width that they share. Numbers are never cut. */
function narrowed(columns: readonly Column[], widths: readonly number[]): readonly number[] {
  const mayGive = ({ align, whole }: Column, width: number): boolean =>
    align !== "right" && !whole && width > LEAST_COLUMNS;
  const texts = widths.filter((width, index) => mayGive(columns[index] as Column, width)).sort((a, b) => a - b);
  const all = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1);
  if (all <= MOST_COLUMNS || texts.length === 0) return widths;
  // What those that stay narrower do not take is the others'.
  let room = MOST_COLUMNS - (all - texts.reduce((sum, width) => sum + width, 0));
  let most = LEAST_COLUMNS;
  for (const [index, width] of texts.entries()) {
    most = Math.max(LEAST_COLUMNS, Math.floor(room / (texts.length - index)));
    if (width > most) break;
    room -= width;
  }
  return widths.map((width, index) => (mayGive(columns[index] as Column, width) ? Math.min(width, most) : width));
}

function htmlTable({ columns, rows, caption, empty }: Table): string {
  const style = (column: Column | undefined): string =>
    ` style="text-align:${column?.align ?? "left"};vertical-align:top;white-space:pre-wrap"`;
  const title = caption === undefined ? "" : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`;
  const head = columns.map((column) => `<th${style(column)}>${escapeHtml(column.title)}</th>`).join("");
  const cells = (row: readonly string[]): string =>
    isHeading(row, columns)
      ? `<th colspan="${columns.length}"${style(undefined)}>${escapeHtml(row[0] ?? "")}</th>`
      : columns.map((column, index) => `<td${style(column)}>${escapeHtml(row[index] ?? "")}</td>`).join("");
  const none = empty === undefined ? "" : `<tr><td colspan="${columns.length}">${escapeHtml(empty)}</td></tr>`;
  const body = rows.length === 0 ? none : rows.map((row) => `<tr>${cells(row)}</tr>`).join("");
  return `<table>${title}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}
