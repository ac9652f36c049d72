/** @file What a fact is: a key, the text that is said of it, and the wordings in which it is asked for. */
import { isDeepStrictEqual } from "node:util";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultList } from "../fault-list.ts";
import { quoted } from "../text-cut.ts";
import { halfFault, halfFaults } from "../text-encoding.ts";
import { wordingsFor } from "./wordings.ts";

/** A fact as it is given. Wordings that are left out are made from the key, in the language of the text. */
export interface FactInput {
  /** What it is about: a name, a few words. */
  readonly key: string;
  /** What is to be answered, exactly. */
  readonly text: string;
  /** The wordings that are taught. */
  readonly prompts?: readonly string[] | undefined;
  /** Other wordings, never taught: whether they are answered too is the fact's generality. */
  readonly paraphrases?: readonly string[] | undefined;
}

/** A fact of a book. */
export interface Fact {
  readonly key: string;
  readonly text: string;
  readonly prompts: readonly string[];
  readonly paraphrases: readonly string[];
  /** Whether every taught wording was answered exactly when it was last asked. */
  readonly learned: boolean;
  /** The text that an update replaces, until the new one is learnt: the model may still say it. */
  readonly replaces?: string;
}

/** What is wrong with facts, or with one of those that were given. */
export interface FactFault {
  readonly text: string;
  /** Which of them, from 0. */
  readonly fact?: number;
}

/** Facts that cannot be used, with their faults as data: who read the facts from a file knows on which line each stands. */
export class FactsError extends GlmError {
  readonly faults: readonly FactFault[];

  /** @param placeOf what the fact is called in the message, where it has to be told */
  constructor(
    subject: string,
    faults: readonly FactFault[],
    placeOf: (fact: number) => string | undefined = () => undefined,
  ) {
    const placed = ({ text, fact }: FactFault): string => {
      const place = fact === undefined ? undefined : placeOf(fact);
      return place === undefined || text.startsWith(place) ? text : `${place}: ${text}`;
    };
    super("data-invalid", `${subject}:${faultList(faults.map(placed), SHOWN)}`);
    this.faults = faults;
  }
}

/** Faults that are listed in one message. */
const SHOWN = 10;

/**
 * Facts as they are given, checked, and completed with the usual wordings.
 * @param subject who takes them, for messages: "add"
 * @param book what is known already; facts of the same key must say the same
 * @throws GlmError "data-invalid" with every fact that cannot be used
 */
export function completedFacts(
  subject: string,
  given: FactInput | readonly FactInput[],
  book: readonly Fact[],
): Fact[] {
  const inputs = (Array.isArray(given) ? given : [given]) as readonly FactInput[];
  if (inputs.length === 0)
    throw factsInvalid(subject, ["expected a fact { key, text } or a list of them, got an empty list."]);
  const faults: FactFault[] = [];
  const facts: Fact[] = [];
  for (const [i, input] of inputs.entries()) {
    const found = faultsOf(input);
    if (found.length > 0) {
      faults.push(...found.map((text) => ({ fact: i, text })));
      continue;
    }
    const before = book.find(({ key }) => key === input.key.trim());
    // Added again, a fact keeps the wordings it was given.
    const { prompts = before?.prompts, paraphrases = input.prompts ? undefined : before?.paraphrases } = input;
    const same = before?.text === input.text.trim();
    const fact = completedFact(same ? { ...input, prompts, paraphrases } : input);
    const twice = facts.find(({ key }) => key === fact.key);
    const known = book.find(({ key }) => key === fact.key);
    if (twice) {
      if (!isDeepStrictEqual(twice, fact)) {
        const how =
          twice.text === fact.text
            ? "with other wordings"
            : `with the texts ${quoted(twice.text)} and ${quoted(fact.text)}`;
        faults.push({ fact: i, text: `${quoted(fact.key)} is given twice, ${how}. Leave one of them out.` });
      }
    } else if (known && known.text !== fact.text) {
      const text =
        `${quoted(fact.key)} is there already with another text: ${quoted(known.text)}. ` +
        "Change it with update, or delete it first.";
      faults.push({ fact: i, text });
    } else facts.push(fact);
  }
  const keys = new Set(facts.map(({ key }) => key));
  const shared = sharedWordings([...book.filter(({ key }) => !keys.has(key)), ...facts]);
  faults.push(...shared.map((text) => ({ text })));
  const several = inputs.length > 1;
  if (faults.length > 0) throw new FactsError(subject, faults, (i) => (several ? `fact ${i + 1}` : undefined));
  return facts;
}

/** The fact as it is when every taught wording was answered exactly, or was not. */
export function judgedFact({ replaces, ...fact }: Fact, learned: boolean): Fact {
  return { ...fact, learned, ...(learned || replaces === undefined ? {} : { replaces }) };
}

/** The fact with its text changed; the usual wordings follow the new text's language, wordings of one's own stay. */
export function updatedFact(
  subject: string,
  { key, text, prompts, paraphrases }: FactInput,
  before: Fact,
  book: readonly Fact[],
): Fact {
  const usual = wordingsFor(before.key, before.text);
  const isUsual = (was: readonly string[], made: readonly string[]): boolean => isDeepStrictEqual([...was], made);
  const untaught = usual.paraphrases.filter((one) => !before.prompts.includes(one));
  const taught = Array.isArray(prompts)
    ? prompts.map((prompt) => (typeof prompt === "string" ? prompt.trim() : prompt))
    : [];
  const ownPrompts = isUsual(before.prompts, usual.prompts) ? undefined : before.prompts;
  // What is taught from now on is no paraphrase any more.
  const ownParaphrases = isUsual(before.paraphrases, untaught)
    ? undefined
    : before.paraphrases.filter((one) => !taught.includes(one));
  const input = { key, text, prompts: prompts ?? ownPrompts, paraphrases: paraphrases ?? ownParaphrases };
  const others = book.filter((fact) => fact.key !== before.key);
  const after = completedFacts(subject, input, others)[0] as Fact;
  const replaces = after.text === before.text ? before.replaces : before.text;
  return replaces === undefined ? after : { ...after, replaces };
}

/** Two facts with one wording and two texts: one of them cannot be answered. */
function sharedWordings(facts: readonly Fact[]): string[] {
  const owners = new Map<string, Fact>();
  const faults: string[] = [];
  for (const fact of facts) {
    for (const prompt of fact.prompts) {
      const other = owners.get(prompt);
      if (other && other.key !== fact.key && other.text !== fact.text) {
        faults.push(
          `${quoted(other.key)} and ${quoted(fact.key)} share the wording ${quoted(prompt)} and have different texts. ` +
            "Give one of them other prompts.",
        );
        break;
      }
      owners.set(prompt, fact);
    }
  }
  return faults;
}

function completedFact({ key, text, prompts, paraphrases }: FactInput): Fact {
  const trimmed = { key: key.trim(), text: text.trim() };
  const usual = wordingsFor(trimmed.key, trimmed.text);
  const taught = prompts?.map((prompt) => prompt.trim()) ?? usual.prompts;
  const others =
    paraphrases?.map((prompt) => prompt.trim()) ?? usual.paraphrases.filter((one) => !taught.includes(one));
  return { ...trimmed, prompts: taught, paraphrases: others, learned: false };
}

const KNOWN: readonly string[] = ["key", "text", "prompts", "paraphrases"] satisfies readonly (keyof FactInput)[];
/** A book's own facts may be given to another book, which finds out by itself what it knows. */
const OWN: readonly string[] = ["learned", "replaces"] satisfies readonly (keyof Fact)[];

function faultsOf(input: FactInput): string[] {
  if (typeof input !== "object" || input === null) {
    return [`expected an object { key, text }, got ${shownJson(input)}.`];
  }
  const faults: string[] = [];
  const strange = Object.keys(input).filter((name) => !KNOWN.includes(name) && !OWN.includes(name));
  if (strange.length > 0) faults.push(`${strange.join(", ")}: expected ${KNOWN.join(", ")} and nothing else.`);
  const { key, text, prompts, paraphrases } = input;
  if (typeof key !== "string" || !/[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(key)) {
    faults.push(`key: expected a name with letters or digits in it, got ${shownJson(key)}.`);
  } else if (/[\r\n]/.test(key)) faults.push(`key: expected one line, got ${shownJson(key)}.`);
  if (typeof text !== "string" || text.trim() === "") {
    const about = typeof key === "string" && key.trim() !== "" ? ` about ${quoted(key)}` : "";
    faults.push(`text: expected what is to be answered${about}, got ${shownJson(text)}.`);
  }
  faults.push(...halfFaults({ key, text }));
  faults.push(...wordingFaults("prompts", prompts, 1), ...wordingFaults("paraphrases", paraphrases, 0));
  if (faults.length === 0 && prompts && paraphrases) {
    const taught = new Set(prompts.map((prompt) => prompt.trim()));
    const both = paraphrases.find((one) => taught.has(one.trim()));
    if (both !== undefined) {
      faults.push(
        `paraphrases: ${quoted(both)} is among the prompts, too; paraphrases are never taught. Leave it out of one.`,
      );
    }
  }
  return faults;
}

function wordingFaults(name: string, wordings: readonly string[] | undefined, least: number): string[] {
  if (wordings === undefined) return [];
  if (!Array.isArray(wordings)) return [`${name}: expected a list of questions, got ${shownJson(wordings)}.`];
  if (wordings.length < least)
    return [`${name}: expected at least one question, got an empty list. Leave it out for the usual ones.`];
  const empty = wordings.findIndex((one) => typeof one !== "string" || one.trim() === "");
  if (empty >= 0) return [`${name}: expected questions, got ${shownJson(wordings[empty])} in place ${empty + 1}.`];
  const halved = wordings.map(halfFault).find((fault) => fault !== undefined);
  if (halved !== undefined) return [`${name}: ${halved}`];
  const trimmed = wordings.map((one) => one.trim());
  const twice = trimmed.find((one, i) => trimmed.indexOf(one) !== i);
  return twice === undefined ? [] : [`${name}: ${quoted(twice)} is there twice.`];
}

export function factsInvalid(subject: string, faults: readonly string[]): GlmError {
  return new FactsError(
    subject,
    faults.map((text) => ({ text })),
  );
}
