/** @file What a command of the program `glmlab` is, and how its words are read: by the same option tables as a magic's. */
import { parseArgs } from "node:util";
import { foreignOption } from "../../magics/foreign-options.ts";
import { defaultOf, isPattern, type OptionSpec, type OptionTable, placeholder } from "../../magics/option.ts";
import { suggestion } from "../../src/suggestion.ts";

/** Options that are given, by name: true for a flag, a number, a list, or a text. */
export type Values = Readonly<Record<string, unknown>>;

/** Words of another program as this one's, with a line for each that says what it became. */
export interface Translated {
  readonly args: readonly string[];
  readonly lines: readonly string[];
}

export interface Command {
  readonly options: OptionTable;
  /** Most words that it takes besides options. */
  readonly words: number;
  /** Lines at the end of its help. */
  readonly more?: readonly string[];
  /** What it understands of other programs' words. */
  readonly foreign?: {
    /** Their options, for hints: `lora_dim`. */
    readonly options: readonly string[];
    translate(args: readonly string[]): Promise<Translated>;
  };
  /** The exit code. */
  run(values: Values, words: readonly string[]): number | Promise<number>;
}

/** A command as the program's help lists it. */
export interface ListedCommand {
  /** What follows `glmlab`: the name, words, options. */
  readonly usage: string;
  /** "makes the kernel known to Jupyter" */
  readonly summary: string;
  /** Whatever it needs is loaded when it runs; it may also read its words itself, and returns the exit code. */
  load(): Promise<Command | ((args: readonly string[]) => Promise<number>)>;
}

/** What the user typed cannot be run; the message says why, and what would. */
export class UsageError extends Error {}

/** Runs a command with its words, or prints its help. */
export async function runCommand(name: string, listed: ListedCommand, args: readonly string[]): Promise<number> {
  const command = await listed.load();
  if (typeof command === "function") return command(args);
  if (read(command.options, args).values.help === true) {
    console.log(commandHelp(listed, command));
    return 0;
  }
  const translated = await command.foreign?.translate(args);
  for (const line of translated?.lines ?? []) console.error(line);
  const { positionals, tokens } = read(command.options, translated?.args ?? args);
  const subject = `glmlab ${name}`;
  const given: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(command.options, token.name) ? command.options[token.name] : undefined;
    if (!spec) {
      const { options: known } = command;
      const names = [...Object.keys(known), "help", ...(command.foreign?.options ?? [])];
      const hint = foreignOption(token.name, known) ?? suggestion(token.name, names, "--");
      throw new UsageError(`${subject}: there is no option ${token.rawName}.${hint}`);
    }
    if (Object.hasOwn(given, token.name)) throw new UsageError(`${subject}: ${token.rawName} is given twice.`);
    given[token.name] = givenValue(`${subject}: ${token.rawName}`, spec, token);
  }
  mustAgree(subject, command.options, given);
  const extra = positionals[command.words];
  if (extra !== undefined) {
    throw new UsageError(`${subject}: ${extra} is one word too many. Usage: glmlab ${listed.usage}`);
  }
  return await command.run(given, positionals);
}

const read = (table: OptionTable, args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: { ...types(table), help: { type: "boolean" as const, short: "h" } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });

/** @throws UsageError for two options that contradict each other */
function mustAgree(subject: string, table: OptionTable, given: Values): void {
  for (const name of Object.keys(given)) {
    const other = table[name]?.conflicts?.find((one) => Object.hasOwn(given, one));
    if (other !== undefined)
      throw new UsageError(`${subject}: --${name} contradicts --${other}: leave one of them out.`);
  }
}

const types = (table: OptionTable) =>
  Object.fromEntries(
    Object.entries(table).map(([name, { kind }]) => [
      name,
      { type: kind === "flag" ? ("boolean" as const) : ("string" as const) },
    ]),
  );

interface Given {
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function givenValue(subject: string, spec: OptionSpec, { value, inlineValue }: Given): unknown {
  if (spec.kind === "flag") {
    if (value === undefined) return true;
    throw new UsageError(`${subject} takes no value, got ${value}.`);
  }
  // The next option is no value, unless it is written as one.
  if (value === undefined || value === "" || (!inlineValue && value.startsWith("--"))) {
    throw new UsageError(`${subject} expects a value: ${valueWord(spec)}`);
  }
  switch (spec.kind) {
    case "number": {
      const number = Number(value);
      if (spec.rule.allows(number)) return number;
      throw new UsageError(`${subject}: expected ${spec.rule.expected}, got ${value}.`);
    }
    case "choice":
      if (spec.choices.includes(value)) return value;
      throw new UsageError(
        `${subject}: expected one of ${spec.choices.join(", ")}, got ${value}.${suggestion(value, spec.choices)}`,
      );
    case "names":
      return isPattern(value, spec.words) ? value : listOf(subject, value);
    case "list":
    case "adapters":
      return listOf(subject, value);
    case "choices":
      return listOf(subject, value).map((item) => {
        if (spec.choices.includes(item)) return item;
        const near = suggestion(item, spec.choices);
        throw new UsageError(`${subject}: expected some of ${spec.choices.join(", ")}, got ${item}.${near}`);
      });
    case "columns":
      return columnsOf(subject, value);
    case "share": {
      const share = Number(value);
      if (Number.isNaN(share)) return pathOf(value);
      if (share > 0 && share < 1) return share;
      throw new UsageError(`${subject}: expected a share of the rows between 0 and 1, or a file, got ${value}.`);
    }
    case "rows":
      return pathOf(value);
    default:
      return value;
  }
}

/** As in the magics, a file may be written @file. */
export const pathOf = (word: string): string => (word.startsWith("@") ? word.slice(1) : word);

/** `prompt=query,response=answer`; a name alone is its own column. */
function columnsOf(subject: string, value: string): Readonly<Record<string, string>> {
  const pairs = listOf(subject, value).map((pair) => {
    const [what = "", column = what, ...more] = pair.split("=").map((part) => part.trim());
    if (/^[a-z]+$/.test(what) && column !== "" && more.length === 0) return [what, column] as const;
    throw new UsageError(
      `${subject} says which column is what, such as prompt=query,response=answer, and not ${pair}.`,
    );
  });
  return Object.fromEntries(pairs);
}

/** What stands for an option's value: on a command line there are no variables, and adapters may be folders. */
function valueWord(spec: OptionSpec): string {
  switch (spec.kind) {
    case "rows":
      return "FILE";
    case "share":
      return "SHARE|FILE";
    case "adapter":
      return "NAME|FOLDER|none";
    case "adapters":
      return "none,NAME|FOLDER,...";
    default:
      return placeholder(spec);
  }
}

function listOf(subject: string, value: string): readonly string[] {
  const items = value.split(",").map((item) => item.trim());
  // As the field's scripts write them, with a comma at the end.
  if (items.length > 1 && items.at(-1) === "") items.pop();
  if (items.every((item) => item !== "")) return items;
  throw new UsageError(`${subject}: expected a list with commas between its items, got ${value}.`);
}

function commandHelp({ usage, summary }: ListedCommand, { options, more = [] }: Command): string {
  const lines = Object.entries(options).map(([name, spec]) => {
    const fallback = defaultOf(spec);
    const text = `${spec.help}${fallback === undefined ? "" : ` Default: ${fallback}.`}`;
    const left = `--${name} ${valueWord(spec)}`.trimEnd();
    // What is too long for its column has a line of its own.
    return left.length > LEFT ? `  ${left}\n  ${"".padEnd(LEFT)} ${text}` : `  ${left.padEnd(LEFT)} ${text}`;
  });
  return [`Usage: glmlab ${usage}`, `It ${summary}.`, ...lines, ...more].join("\n");
}

/** Columns for options and their values. */
const LEFT = 22;
