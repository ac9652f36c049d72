/** @file Reading facts for a knowledge book: JSON, JSON lines, or a file of either. */
import type { FactInput } from "../src/index.ts";
import { fileText, readJson } from "../src/json-lines.ts";
import { factsInvalid } from "../src/knowledge/fact.ts";
import { quoted } from "../src/text-cut.ts";

const EXAMPLE = '{"key": "Blue Harbour", "text": "..."}';

/** Where the facts of a list are written: "line 3". */
const places = new WeakMap<readonly FactInput[], readonly string[]>();

/** Where each of the facts is written, when they were read here. */
export function placesOf(facts: FactInput | readonly FactInput[]): readonly string[] | undefined {
  return Array.isArray(facts) ? places.get(facts) : undefined;
}

/**
 * Facts from text: a JSON array, one JSON object, or JSON lines. What is in them is checked where they are taught.
 * @throws GlmError "data-invalid" with every line that cannot be read
 */
export function parseFacts(text: string, { subject = "The data" }: { readonly subject?: string } = {}): FactInput[] {
  const read = readJson(text);
  if (read.form === "broken") throw factsInvalid(subject, [read.why]);
  const faults = read.form === "lines" ? read.faults : [];
  if (faults.length > 0 && read.values.length === 0) {
    throw factsInvalid(subject, [
      `expected facts as JSON or JSON lines, such as ${EXAMPLE}, got ${quoted(text.trim())}. ` +
        "For one fact, write its key on the magic's line (%%knowledge add KEY) and its text below.",
    ]);
  }
  if (faults.length > 0) {
    throw factsInvalid(
      subject,
      faults.map(
        ({ line, text: written, why }) =>
          `line ${line}: expected a fact such as ${EXAMPLE}, got ${quoted(written)} (${why}).`,
      ),
    );
  }
  // Each of them is looked at where it is taught, whatever it is here.
  const placed = read.values.flatMap(({ value, line }) => [value].flat().map((fact) => ({ fact, line })));
  const facts = placed.map(({ fact }) => fact as FactInput);
  places.set(
    facts,
    placed.map(({ line }) => `line ${line}`),
  );
  return facts;
}

/**
 * Facts from a file.
 * @throws GlmError "data-invalid" when it cannot be read
 */
export async function readFacts(path: string): Promise<FactInput[]> {
  return parseFacts(await fileText(path, "a file of facts"), { subject: path });
}
