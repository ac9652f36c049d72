/** @file What --help, --show-code and %lsmagic do. */
import { helpText, magicRows } from "../help.ts";
import { show, write } from "../live.ts";
import { renderSource } from "../render/source.ts";
import { renderTable } from "../render/table.ts";

/** Shows the help of a magic by its title, "%%train". */
export function help(title: string): void {
  write(`${helpText(title)}\n`);
}

/** Shows the code that a magic stands for. */
export function showCode(source: string): void {
  show(renderSource(source));
}

/** Shows all magics. */
export async function lsmagic(): Promise<void> {
  const columns = [{ title: "magic" }, { title: "what it does" }];
  show(renderTable({ columns, rows: magicRows(), caption: "Every magic has --help and --show-code." }));
}
