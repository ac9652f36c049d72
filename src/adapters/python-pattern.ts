/**
 * @file The regular expressions of PEFT's configurations: Python's, matched in a time that grows with the text's length only.
 *
 * A file from anywhere decides them, and a backtracking matcher would let it hold the worker for good. RE2 has no
 * backtracking; what it cannot express is refused by name, and where the two languages differ, Python's meaning counts.
 */
import { RE2JS, type RE2JSException } from "re2js";
import { GlmError } from "../errors.ts";

export interface PythonPattern {
  /** As `re.fullmatch`. */
  matches(text: string): boolean;
  /** The first group of `re.match`, which must begin where the text does; undefined without a match. */
  firstGroup(text: string): string | undefined;
}

/** A pattern costs its length times the text's; lists of all of a model's modules have a few thousand characters. */
const maxLength = 20_000;
/** Counted repetitions are written out: their sum is a length, too. */
const maxRepeats = 1000;

/**
 * @throws GlmError "adapter-invalid" for what is no pattern, "unsupported" for what cannot be matched in linear time; the
 * message is a phrase about the pattern, for a list of faults
 */
export function pythonPattern(source: string): PythonPattern {
  if (source.length > maxLength)
    throw unsupported(`${source.length} characters, of which ${maxLength} can be a pattern`);
  const compiled = compile(new Translation(source).run());
  return {
    matches: (text) => compiled.matches(text),
    firstGroup(text) {
      const matcher = compiled.matcher(text);
      return matcher.lookingAt() ? (matcher.group(1) ?? undefined) : undefined;
    },
  };
}

function compile(translated: string): RE2JS {
  try {
    return RE2JS.compile(translated);
  } catch (cause) {
    const why = (cause as RE2JSException).message.replace(/^error parsing regexp: /, "");
    if (why.startsWith("invalid repeat count")) throw unsupported(`more than ${maxRepeats} repetitions`);
    throw invalid(why);
  }
}

const invalid = (why: string): GlmError => new GlmError("adapter-invalid", `the pattern cannot be read: ${why}`);

const unsupported = (what: string): GlmError =>
  new GlmError("unsupported", `the pattern has ${what}, which is not supported; name the modules in a list instead`);

/** What follows "(?" in groups that only a backtracking matcher can follow, or that RE2 has no word for. */
const groups: readonly (readonly [string, string])[] = [
  ["=", "a lookahead (?=...)"],
  ["!", "a negative lookahead (?!...)"],
  ["<=", "a lookbehind (?<=...)"],
  ["<!", "a negative lookbehind (?<!...)"],
  ["P=", "a backreference (?P=...)"],
  ["(", "a condition (?(...)...)"],
  [">", "an atomic group (?>...)"],
  ["#", "a comment (?#...)"],
];

/** Letters that Python takes after a backslash and RE2 with the same meaning. */
const sameEscapes = "AbBdDsSwWafnrtvx";

/** One pattern on its way from Python's syntax to RE2's. */
class Translation {
  readonly #source: string;
  #at = 0;
  #repeats = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): string {
    let out = "";
    while (this.#at < this.#source.length) out += this.#next();
    return out;
  }

  #next(): string {
    const character = this.#source[this.#at] as string;
    if (character === "\\") return this.#escape(false);
    if (character === "[") return this.#set();
    if (character === "(") return this.#group();
    if ("*+?{".includes(character)) return this.#quantifier();
    this.#at += 1;
    return character;
  }

  #rest(): string {
    return this.#source.slice(this.#at, this.#at + 80);
  }

  #take(text: string): string {
    this.#at += text.length;
    return text;
  }

  #escape(inSet: boolean): string {
    const letter = this.#source[this.#at + 1];
    if (letter === undefined) throw invalid("it ends in a backslash");
    const unicode = /^\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(this.#rest());
    if (unicode) {
      this.#take(unicode[0]);
      return `\\x{${unicode[1] ?? unicode[2]}}`;
    }
    if (/[1-9]/.test(letter)) throw unsupported(`a backreference \\${letter}`);
    if (!inSet && letter === "Z") {
      this.#take("\\Z");
      return "\\z";
    }
    // In a set it is a backspace.
    if (inSet && letter === "b") {
      this.#take("\\b");
      return "\\x08";
    }
    const braced = this.#rest().startsWith("\\x{");
    if (braced || (/[A-Za-z]/.test(letter) && !sameEscapes.includes(letter))) throw invalid(`bad escape \\${letter}`);
    return this.#take(`\\${letter}`);
  }

  #set(): string {
    let out = this.#take("[");
    if (this.#source[this.#at] === "^") out += this.#take("^");
    // The first bracket is a member.
    if (this.#source[this.#at] === "]") out += `\\${this.#take("]")}`;
    while (this.#at < this.#source.length) {
      const character = this.#source[this.#at] as string;
      if (character === "\\") out += this.#escape(true);
      // Python has no named classes: [[:alpha:]] are brackets, a colon and letters.
      else if (character === "[") out += `\\${this.#take("[")}`;
      else out += this.#take(character);
      if (character === "]") return out;
    }
    throw invalid("a set [...] is not closed");
  }

  #group(): string {
    const rest = this.#rest();
    if (!rest.startsWith("(?")) return this.#take("(");
    const kind = groups.find(([start]) => rest.startsWith(start, 2));
    if (kind) throw unsupported(kind[1]);
    const known = /^\(\?(?:P<\w+>|[ims]*(?:-[ims]+)?[:)])/.exec(rest);
    if (known) return this.#take(known[0]);
    const flags = /^\(\?([a-zA-Z-]+)[:)]/.exec(rest)?.[1];
    if (flags !== undefined) throw unsupported(`the flags ${flags}`);
    throw invalid(`unknown group ${rest.slice(0, 4)}`);
  }

  /** With what may follow it: `?` for the shortest match, `+` for a possessive one. */
  #quantifier(): string {
    const counted = /^\{(\d*)(,?)(\d*)\}/.exec(this.#rest());
    const isCount = counted !== null && counted[0] !== "{}";
    if (this.#source[this.#at] === "{" && !isCount) {
      this.#at += 1;
      return "\\{";
    }
    let out = isCount ? this.#take(counted[0]) : this.#take(this.#source[this.#at] as string);
    if (isCount) {
      const [, from = "", comma = "", to = ""] = counted;
      this.#repeats += Math.max(Number(from), Number(to));
      if (this.#repeats > maxRepeats) throw unsupported(`more than ${maxRepeats} repetitions`);
      out = `{${from === "" ? "0" : from}${comma}${to}}`;
    }
    const next = this.#source[this.#at];
    if (next === "+") throw unsupported("a possessive quantifier");
    return next === "?" ? out + this.#take("?") : out;
  }
}
