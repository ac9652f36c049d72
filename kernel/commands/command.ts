/** @file What a command of the program `glmlab` is, and how its words are read: by the same option tables as a magic's. */
import { parseArgs } from "node:util";
import { foreignOption } from "../../magics/foreign-options.ts";
import { defaultOf, isPattern, type OptionSpec, type OptionTable, placeholder } from "../../magics/option.ts";
import { suggestion } from "../../src/suggestion.ts";

/** Options that are given, by name: true for a flag, a number, a list, or a text. */
export type Values = Readonly<Record<string, unknown>>;

export interface Command {
  readonly options: OptionTable;
  /** Most words that it takes besides options. */
  readonly words: number;
  /** Lines at the end of its help. */
  readonly more?: readonly string[];
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
  const options = { ...types(command.options), help: { type: "boolean" as const, short: "h" } };
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (values.help === true) {
    console.log(commandHelp(listed, command));
    return 0;
  }
  const subject = `glmlab ${name}`;
  const given: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(command.options, token.name) ? command.options[token.name] : undefined;
    if (!spec) {
      const { options: known } = command;
      const hint = foreignOption(token.name, known) ?? suggestion(token.name, [...Object.keys(known), "help"], "--");
      throw new UsageError(`${subject}: there is no option ${token.rawName}.${hint}`);
    }
    if (Object.hasOwn(given, token.name)) throw new UsageError(`${subject}: ${token.rawName} is given twice.`);
    given[token.name] = givenValue(`${subject}: ${token.rawName}`, spec, token);
  }
  const extra = positionals[command.words];
  if (extra !== undefined) {
    throw new UsageError(`${subject}: ${extra} is one word too many. Usage: glmlab ${listed.usage}`);
  }
  return await command.run(given, positionals);
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
    throw new UsageError(`${subject} expects a value: ${placeholder(spec)}`);
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
      return listOf(subject, value);
    default:
      return value;
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
    const left = `--${name} ${placeholder(spec)}`.trimEnd();
    // What is too long for its column has a line of its own.
    return left.length > LEFT ? `  ${left}\n  ${"".padEnd(LEFT)} ${text}` : `  ${left.padEnd(LEFT)} ${text}`;
  });
  return [`Usage: glmlab ${usage}`, `It ${summary}.`, ...lines, ...more].join("\n");
}

/** Columns for options and their values. */
const LEFT = 22;
