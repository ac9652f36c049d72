/** @file What --help and %lsmagic say, derived from the magics' own tables. */
import type { Sign } from "./commands.ts";
import type { Command, Commands, Magic } from "./magic.ts";
import { defaultOf, isRepeatable, type OptionSpec, placeholder } from "./option.ts";
import { COMMON_OPTIONS } from "./parse.ts";
import { columnsOf, padded } from "./render/text.ts";
import { MAGICS } from "./table.ts";

/** The help of a magic (or one of its commands), by the title it has in messages: "%%train", "%adapter new". */
export function helpText(title: string): string {
  const [, sign = "%", name = "", sub] = /^(%%?)(\S+)(?: (\S+))?$/.exec(title) ?? [];
  const magic = MAGICS[name];
  if (!magic) return lsmagicText();
  const commands = titledCommands(name, magic).filter(
    ([shown]) => sub === undefined || shown === `${sign}${name} ${sub}`,
  );
  const groups = new Map<string, { options: Command["options"]; titles: string[] }>();
  for (const [shown, { options }] of commands) {
    const key = Object.keys(options).join();
    const group = groups.get(key) ?? { options, titles: [] };
    group.titles.push(shown);
    groups.set(key, group);
  }
  const sections = [...groups.values()].map(({ options, titles }) =>
    [heading(titles, groups.size), ...optionLines(options)].join("\n"),
  );
  return [
    magic.summary,
    aligned(commands.map(([shown, command]) => [`  ${`${shown} ${command.usage}`.trim()}`, command.summary])).join(
      "\n",
    ),
    ...sections,
    ["Examples", ...magic.examples.map((example) => example.replace(/^/gm, "  "))].join("\n"),
  ].join("\n\n");
}

/** One line a magic. */
function lsmagicText(): string {
  return [...aligned(magicRows()), "", "Every magic has --help and --show-code."].join("\n");
}

/** Names of the magics and what they are for, as rows of a table. */
export function magicRows(): readonly (readonly [string, string])[] {
  return Object.entries(MAGICS).map(([name, magic]) => [signsOf(name, magic), magic.summary]);
}

function signsOf(name: string, { line, cell }: Magic): string {
  return [...(line ? [`%${name}`] : []), ...(cell ? [`%%${name}`] : [])].join("  ");
}

function titledCommands(name: string, { line, cell }: Magic): readonly (readonly [title: string, command: Command])[] {
  const titled = (sign: Sign, commands: Commands = {}) =>
    Object.entries(commands).map(([sub, command]) => [`${sign}${name} ${sub}`.trim(), command] as const);
  return [...titled("%%", cell), ...titled("%", line)];
}

function heading(titles: readonly string[], groups: number): string {
  return groups === 1 ? "Options" : `Options of ${titles.join(", ")}`;
}

function optionLines(options: Command["options"]): readonly string[] {
  const all: readonly (readonly [string, OptionSpec])[] = Object.entries({ ...options, ...COMMON_OPTIONS });
  return aligned(
    all.map(([name, spec]) => {
      const value = defaultOf(spec);
      const fallback = value === undefined ? "" : ` Default: ${value}.`;
      const often = isRepeatable(spec) ? " May be given several times." : "";
      return [`  --${name} ${placeholder(spec)}`.trimEnd(), `${spec.help}${often}${fallback}`];
    }),
  );
}

/** Columns that most notebooks show without breaking lines. */
const WIDTH = 100;

/** Two columns; the right one is broken where the line would be too long. */
function aligned(lines: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...lines.map(([left]) => columnsOf(left)));
  return lines.flatMap(([left, right]) =>
    broken(right, WIDTH - width - 2).map((part, index) =>
      `${padded(index === 0 ? left : "", width)}  ${part}`.trimEnd(),
    ),
  );
}

/** Text in lines of at most so many columns, broken between words. */
function broken(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && columnsOf(line) + 1 + columnsOf(word) > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
