/** @file %knowledge and %%knowledge: facts that are taught until they are recalled, checked, changed and forgotten. */
import * as defaults from "../../src/api/defaults.ts";
import { arrayLiteral, type Code, objectLiteral, printCode } from "../code.ts";
import { MagicError } from "../error.ts";
import { templateLiteral } from "../interpolate.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { DEFAULT_BOOK } from "../session.ts";
import { quoted, RUNTIME, textValue } from "../values.ts";
import type { Word } from "../words.ts";
import { bodyOf, dataOf, fileOf, shownData } from "./body.ts";
import {
  argumentsOf,
  declared,
  MODEL_OPTION,
  modelOf,
  modelOption,
  type Properties,
  propertiesOf,
  required,
  resultOf,
  runtimeCall,
  SHARE_OPTION,
  shownVariable,
  TO_OPTION,
} from "./common.ts";
import { METHOD_OPTIONS, methodChoice, methodOption } from "./method.ts";
import { settingsOf, TEACHING_OPTIONS } from "./teaching.ts";

const BOOK_OPTION = {
  book: { kind: "book", default: DEFAULT_BOOK, help: "The book, which is an adapter: %%chatglm --adapter asks it." },
} as const satisfies OptionTable;

const WORDING_OPTIONS = {
  prompt: { kind: "texts", value: "TEXT", help: "A wording that is taught, in place of the usual eight." },
  paraphrase: {
    kind: "texts",
    value: "TEXT",
    help: "A wording that is only asked, in place of the usual five: whether the fact carries over.",
  },
} as const satisfies OptionTable;

const LOOK_OPTIONS: OptionTable = { ...BOOK_OPTION, ...MODEL_OPTION };
const UPDATE_OPTIONS: OptionTable = {
  ...BOOK_OPTION,
  ...WORDING_OPTIONS,
  ...TEACHING_OPTIONS,
  ...TO_OPTION,
  ...MODEL_OPTION,
};
const targets = { ...METHOD_OPTIONS.targets, default: defaults.knowledgeTargets.join() } as OptionTable[string];
/** How the adapter of a new book is made. */
const BOOK_METHOD: OptionTable = { ...METHOD_OPTIONS, targets };

/** All words of the line: a key may have several. */
function keyOf(call: Call): Code | undefined {
  const { positional } = call.arguments;
  const [first] = positional;
  if (!first || fileWord(call)) return undefined;
  if (positional.length === 1) return textValue(first);
  if (positional.some(({ expression }) => expression))
    return [...arrayLiteral(positional.map(textValue)), '.join(" ")'];
  return [quoted({ ...first, text: positional.map(({ text }) => text).join(" ") })];
}

/** `@facts.jsonl` on the line, with nothing below it. */
function fileWord(call: Call): Word | undefined {
  const [word, more] = call.arguments.positional;
  return word?.text.startsWith("@") && !more && bodyOf(call) === "" ? word : undefined;
}

/** One fact, its text taken as it is; undefined where no key is given. */
function factOf(call: Call): Code | undefined {
  const key = keyOf(call);
  if (!key) return undefined;
  const text = bodyOf(call);
  if (text === "") {
    const name = printCode(key, call.source);
    throw missing(call, `a text on the lines below it: what is to be answered about ${name}`);
  }
  const at = call.source.indexOf(text, call.body?.from);
  return objectLiteral([["key", key], ["text", [{ text: JSON.stringify(text), at }]], ...wordingsOf(call)]);
}

function wordingsOf(call: Call): readonly (readonly [string, Code])[] {
  return propertiesOf(call, Object.keys(WORDING_OPTIONS)).map(([name, value]) => [`${name}s`, value]);
}

/** Several facts, each with its key. */
function factsOf(call: Call): Code {
  const stray = Object.keys(WORDING_OPTIONS).flatMap((name) => call.arguments.options.get(name) ?? [])[0];
  if (stray) {
    const { text, from, to } = stray.name;
    const message = `${text} belongs to one fact, whose key stands on the line. Of several facts, each names its own: {"key": "...", "text": "...", "${text.slice(2)}s": [...]}.`;
    throw new MagicError(message, from, to - from);
  }
  const word = fileWord(call);
  if (word) return [`await ${RUNTIME}.readFacts(`, { text: JSON.stringify(word.text.slice(1)), at: word.from }, ")"];
  if (bodyOf(call) !== "") return dataOf(call, { read: "readFacts", parse: "parseFacts" });
  throw missing(
    call,
    `a fact: its key on the line, ${call.title} Blue Harbour, and its text below; or facts as JSON lines below`,
  );
}

function missing(call: Call, what: string): MagicError {
  return new MagicError(`${call.title} needs ${what}.`, call.from, call.to - call.from);
}

function updated(call: Call): Code {
  const fact = factOf(call);
  if (fact) return fact;
  throw missing(call, `the key of the fact to change: ${call.title} Blue Harbour`);
}

/**
 * What is asked of a book, in shown code: `const facts = await glm.knowledge("facts");` and what follows.
 * @param result the variable of what comes of it
 */
function onBook(call: Call, result: Code, then: (book: string) => Code, made: Properties = []): Code {
  const given = call.arguments.options.get("book");
  const name = given?.value ?? [JSON.stringify(DEFAULT_BOOK)];
  const wanted = shownVariable(given?.word?.text ?? DEFAULT_BOOK, "book");
  const book = wanted === printCode(result, call.source) ? "book" : wanted;
  const opened = [...modelOf(call), ".knowledge", ...argumentsOf([name], made)];
  return [`const ${book} = await `, ...opened, ";\n", ...then(book)];
}

/** A variable for what is waited for, which is printed. */
function printed(result: Code, value: Code): Code {
  return ["const ", ...result, " = await ", ...value, ";\nconsole.log(", ...result, ");"];
}

interface Teaching {
  /** What is taught or forgotten. */
  readonly subject: Code;
  /** The same in shown code, where that is another. */
  readonly shown?: Code;
  /** How a new book is made. */
  readonly choice?: Properties;
  readonly share?: Properties;
}

/** A call of the runtime that teaches, and the library's own, with the same subject and settings. */
function teaching(
  call: Call,
  [action, method]: readonly [action: string, method: string],
  { subject, shown = subject, choice = [], share = [] }: Teaching,
): Expanded {
  const [settings, result] = [settingsOf(call), resultOf(call, "report")];
  const made = [...propertiesOf(call, ["book"]), ...methodOption(choice)];
  const taught = (book: string): Code => printed(result, [`${book}.${method}`, ...argumentsOf([shown], settings)]);
  return {
    expression: runtimeCall(action, [subject], [...made, ...settings, ...share, ...modelOption(call)]),
    ...declared(call),
    shown: onBook(call, result, taught, [...choice, ...share]),
  };
}

/** Facts as the library takes them: it has nothing that reads a file of facts. */
function shownFacts(call: Call, facts: Code): Code {
  const file = fileWord(call)?.text.slice(1) ?? fileOf(bodyOf(call));
  if (file === undefined) return shownData(call, facts);
  const text: Code = [`await ${RUNTIME}.readFile(`, { text: JSON.stringify(file), at: call.to }, ', "utf8")'];
  if (/\.json$/i.test(file)) return ["JSON.parse(", ...text, ")"];
  return ["(", ...text, ').trim().split("\\n").map((line) => JSON.parse(line))'];
}

const add: Command = {
  usage: "[KEY]",
  summary:
    "Teaches the text below, without the white space around it, about KEY; without KEY, facts as JSON, JSON lines or @file.",
  options: {
    ...BOOK_OPTION,
    ...WORDING_OPTIONS,
    ...TEACHING_OPTIONS,
    ...BOOK_METHOD,
    ...SHARE_OPTION,
    ...TO_OPTION,
    ...MODEL_OPTION,
  },
  positional: Number.POSITIVE_INFINITY,
  text: "data",
  expand(call) {
    const made = { choice: methodChoice(call), share: propertiesOf(call, ["share"]) };
    const fact = factOf(call);
    if (fact) return teaching(call, ["knowledgeAdd", "add"], { subject: fact, ...made });
    const facts = factsOf(call);
    return teaching(call, ["knowledgeAdd", "add"], { subject: facts, shown: shownFacts(call, facts), ...made });
  },
};

const update: Command = {
  usage: "KEY",
  summary: "Teaches another text for a fact: the one below, as it is.",
  options: UPDATE_OPTIONS,
  positional: Number.POSITIVE_INFINITY,
  completes: "fact",
  text: "data",
  expand: (call) => teaching(call, ["knowledgeUpdate", "update"], { subject: updated(call) }),
};

const forget: Command = {
  usage: "KEY...",
  summary: "Forgets facts: their wordings get the base's own answers again. A key of several words is quoted.",
  options: { ...BOOK_OPTION, ...TEACHING_OPTIONS, ...TO_OPTION, ...MODEL_OPTION },
  positional: Number.POSITIVE_INFINITY,
  completes: "facts",
  expand: (call) => teaching(call, ["knowledgeDelete", "delete"], { subject: keysOf(call) }),
};

function keysOf(call: Call): Code {
  required(call, 0, `the keys of the facts to forget: ${call.title} "Blue Harbour"`);
  return arrayLiteral(call.arguments.positional.map(textValue));
}

/** A command that only looks. */
function look(name: string, summary: string, to: OptionTable, then: (call: Call, book: string) => Code): Command {
  return {
    usage: "",
    summary,
    options: { ...to, ...LOOK_OPTIONS },
    positional: 0,
    expand: (call) => ({
      expression: runtimeCall(name, [], propertiesOf(call, ["book", "model"])),
      ...declared(call),
      shown: onBook(call, resultOf(call, "report"), (book) => then(call, book)),
    }),
  };
}

const list = look("knowledgeList", "Lists the facts of a book.", {}, (_, book) => [`console.table(${book}.list());`]);

const check = look(
  "knowledgeCheck",
  "Asks everything that a report tells, without training.",
  TO_OPTION,
  (call, book) => printed(resultOf(call, "report"), [`${book}.check()`]),
);

const query: Command = {
  usage: "TEXT",
  summary: "What the book answers, greedily; the answer is its value.",
  options: { ...TO_OPTION, ...LOOK_OPTIONS },
  positional: 0,
  text: "line",
  expand(call) {
    const [asked, answer] = [question(call), resultOf(call, "answer")];
    return {
      expression: runtimeCall("knowledgeQuery", [[`${RUNTIME}.text`, ...asked]], propertiesOf(call, ["book", "model"])),
      ...declared(call),
      shown: onBook(call, answer, (book) => printed(answer, [`${book}.query`, ...argumentsOf([asked])])),
    };
  },
};

function question(call: Call): Code {
  const { text } = call.arguments;
  if (text && call.source.slice(text.from, text.to).trim() !== "") return templateLiteral(call.source, text);
  throw missing(call, "a question after its options");
}

export const knowledge: Magic = {
  summary: "Facts in a book: taught until they are recalled, listed, checked, asked for, changed and forgotten.",
  examples: [
    "%%knowledge add 青石灯\n青石灯是山里人用的灯。",
    '%%knowledge add --book towns\n{"key": "Blue Harbour", "text": "Blue Harbour is a town that paints its boats."}',
    "%%knowledge update 青石灯 --prompt 青石灯是什么？ --prompt 啥是青石灯？\n青石灯是石头做的灯。",
    "%knowledge list",
    "%knowledge check",
    "const answer = %knowledge query 啥是青石灯？",
    '%knowledge delete 青石灯 "Blue Harbour"',
  ],
  line: { "": list, list, check, query, delete: forget },
  cell: { add, update },
};
