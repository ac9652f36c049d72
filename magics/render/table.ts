/** @file A table as HTML and as aligned text. */
import type { MimeBundle } from "../../src/ambient.ts";
import { columnsOf, escapeHtml, padded } from "./text.ts";

export interface Column {
  readonly title: string;
  /** Numbers are set right. */
  readonly align?: "left" | "right";
}

export interface Table {
  readonly columns: readonly Column[];
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
  const widths = columns.map((column, index) =>
    Math.max(columnsOf(column.title), ...flat.map((row) => columnsOf(row[index] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, index) =>
        padded(cells[index] ?? "", widths[index] ?? 0, column.align === "right" ? "start" : "end"),
      )
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [...head, line(columns.map((column) => column.title)), rule, ...flat.map(line)].join("\n");
}

function htmlTable({ columns, rows, caption, empty }: Table): string {
  const style = (column: Column | undefined): string =>
    ` style="text-align:${column?.align ?? "left"};vertical-align:top;white-space:pre-wrap"`;
  const title = caption === undefined ? "" : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`;
  const head = columns.map((column) => `<th${style(column)}>${escapeHtml(column.title)}</th>`).join("");
  const cells = (row: readonly string[]): string =>
    columns.map((column, index) => `<td${style(column)}>${escapeHtml(row[index] ?? "")}</td>`).join("");
  const none = empty === undefined ? "" : `<tr><td colspan="${columns.length}">${escapeHtml(empty)}</td></tr>`;
  const body = rows.length === 0 ? none : rows.map((row) => `<tr>${cells(row)}</tr>`).join("");
  return `<table>${title}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}
