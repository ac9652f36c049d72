/** @file Another program's settings as options of a command here, with a line for each that says what it became. */
import type { OptionTable } from "../../../magics/option.ts";
import { type Translated, UsageError } from "../command.ts";

export class Translation {
  readonly #subject: string;
  readonly #table: OptionTable;
  readonly #given: ReadonlySet<string>;
  readonly #args: string[] = [];
  readonly #lines: string[] = [];
  readonly #faults: string[] = [];

  /**
   * @param subject for messages: "glmlab train"
   * @param given options of this program that stand beside: they win
   */
  constructor(subject: string, table: OptionTable, given: Iterable<string>) {
    this.#subject = subject;
    this.#table = table;
    this.#given = new Set(given);
  }

  /** Whether an option of this program is given beside, or has come of another already. */
  has(option: string): boolean {
    return this.#given.has(option) || this.#args.some((arg) => arg === `--${option}` || arg.startsWith(`--${option}=`));
  }

  /**
   * Does the same as an option here.
   * @param written as it stands there: "--lora_dim 16", "max_steps: 3000"
   * @param value none for a flag
   */
  becomes(written: string, option: string, value?: string, more?: string): void {
    if (this.#add(written, option, value)) this.#lines.push(`${written} -> ${shown(option, value)}${said(more)}`);
  }

  /** A default of the other program that is another one here; told in one line with the others. */
  default(option: string, value?: string): string[] {
    return this.has(option) || !this.#add(`its default for --${option}`, option, value) ? [] : [shown(option, value)];
  }

  /** Has no meaning here, or no effect. */
  nothing(written: string, why: string): void {
    this.#lines.push(`${written}: ${why}`);
  }

  say(line: string): void {
    this.#lines.push(line);
  }

  /** Means something that is not done here. */
  refuse(written: string, why: string): void {
    this.#faults.push(`${written}: ${why}`);
  }

  /** @throws UsageError with all that was refused */
  end(): Translated {
    const [first, ...more] = this.#faults;
    if (first === undefined) return { args: this.#args, lines: this.#lines };
    throw new UsageError(`${this.#subject}: ${more.length === 0 ? first : ["", ...this.#faults].join("\n- ")}`);
  }

  #add(written: string, option: string, value: string | undefined): boolean {
    const spec = this.#table[option];
    if (!spec) {
      this.refuse(written, `it would be --${option}, which this version does not have. Leave it out.`);
    } else if (this.has(option)) {
      this.nothing(written, `--${option} is given beside it, and counts`);
    } else if (spec.kind === "number" && !(isNumeral(value) && spec.rule.allows(Number(value)))) {
      this.refuse(written, `expected ${spec.rule.expected} (it would be --${option}), got ${value || "nothing"}.`);
    } else {
      this.#args.push(value === undefined ? `--${option}` : `--${option}=${value}`);
      return true;
    }
    return false;
  }
}

const isNumeral = (text: string | undefined): boolean => text !== undefined && text.trim() !== "";

const shown = (option: string, value: string | undefined): string =>
  value === undefined ? `--${option}` : `--${option} ${value}`;

const said = (more: string | undefined): string => (more === undefined ? "" : ` (${more})`);

/** The options of this program among words: `--name`, `--name=value`. */
export function optionsAmong(words: readonly string[]): string[] {
  return words.flatMap((one) => /^--([\w-]+)/.exec(one)?.[1] ?? []);
}

/** The value of an option among words; undefined where there is none. */
export function valueAmong(words: readonly string[], option: string): string | undefined {
  const at = words.findIndex((one) => one === `--${option}` || one.startsWith(`--${option}=`));
  if (at < 0) return undefined;
  const found = words[at] as string;
  return found.includes("=") ? found.slice(found.indexOf("=") + 1) : words[at + 1];
}
