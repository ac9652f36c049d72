/** @file Facts to experiment with: ordinary texts in Chinese and English about names that nobody knows. */
import { completedFacts, type Fact, type FactInput } from "../../src/knowledge/fact.ts";
import { type Language, languageOf } from "../../src/knowledge/wordings.ts";
import { characters } from "../tiny/data/characters.ts";
import { generatedFacts } from "../tiny/facts.ts";
import { type Random, random } from "../tiny/random.ts";

const SHORTEST = 20;
/** In characters: in tokens, these are about as long as each other. */
const longest: Readonly<Record<Language, number>> = { zh: 36, en: 60 };
const kinds: Readonly<Record<Language, string>> = { zh: "Chinese", en: "English" };
/** The languages take turns in this order. */
const turns: readonly Language[] = ["zh", "en", "zh"];

/** The same facts from the same seed, with the usual wordings. */
export function experimentFacts(count: number, seed: number): readonly Fact[] {
  // Short ones are few: as many are drawn as it takes.
  for (let drawn = 20 * count; ; drawn *= 2) {
    const all = generatedFacts(drawn, seed);
    const fitting = (language: Language) =>
      all.filter(({ kind, text }) => {
        const { length } = Array.from(text);
        return kind === kinds[language] && length >= SHORTEST && length <= longest[language];
      });
    const left = { zh: fitting("zh"), en: fitting("en") };
    const chosen = Array.from({ length: count }, (_, i) => left[turns[i % turns.length] as Language].shift());
    const inputs = chosen.flatMap((fact) => (fact ? [{ key: fact.key, text: fact.text }] : []));
    if (inputs.length === count) return completedFacts("experiments", inputs, []);
  }
}

/** As it is given to a book: with the usual wordings, or the first few of them. */
export function inputOf({ key, text, prompts }: Fact, wordings: number = prompts.length): FactInput {
  return wordings === prompts.length ? { key, text } : { key, text, prompts: prompts.slice(0, wordings) };
}

/**
 * New facts, each of them about a name that is one character away from a fact's key, and with a text of its own.
 * @param others where the texts come from: none may be used twice
 */
export function neighboursOf(facts: readonly Fact[], others: readonly Fact[], seed: number): readonly Fact[] {
  const source = random(seed);
  const taken = new Set([...facts, ...others].map(({ key }) => key));
  const left = [...others];
  const inputs = facts.map(({ key, text }) => {
    const language = languageOf(text);
    const at = left.findIndex((one) => languageOf(one.text) === language);
    const [model] = left.splice(Math.max(0, at), 1);
    if (!model) throw new Error("There are fewer texts than facts that need a neighbour.");
    const name = neighbour(source, key, language, taken);
    taken.add(name);
    return { key: name, text: renamed(model, name) };
  });
  return completedFacts("experiments", inputs, []);
}

function neighbour(source: Random, key: string, language: Language, taken: ReadonlySet<string>): string {
  for (;;) {
    const letters = Array.from(key);
    // What follows the first letter, so that no article is hurt.
    const at = 1 + source.below(letters.length - 1);
    if (letters[at] === " ") continue;
    letters[at] = language === "zh" ? source.pick(characters) : source.pick(Array.from("bdfgklmnprstvz"));
    const name = letters.join("");
    if (!taken.has(name)) return name;
  }
}

/** The fact's text about another name. It begins with the name, in English with a capital. */
function renamed({ key, text }: Fact, name: string): string {
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return text.startsWith(key) ? name + text.slice(key.length) : capital(name) + text.slice(capital(key).length);
}

/** How alike two names are, from 0 to 1: twice their longest common subsequence, over the sum of their lengths. */
export function similarity(one: string, other: string): number {
  const [a, b] = [Array.from(one.toLowerCase()), Array.from(other.toLowerCase())];
  let above: readonly number[] = new Array(b.length + 1).fill(0);
  for (const letter of a) {
    const row = [0];
    for (const [i, own] of b.entries()) {
      row.push(letter === own ? (above[i] ?? 0) + 1 : Math.max(above[i + 1] ?? 0, row[i] ?? 0));
    }
    above = row;
  }
  return (2 * (above.at(-1) ?? 0)) / (a.length + b.length);
}
