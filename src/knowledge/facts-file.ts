/** @file The file in which a book keeps its facts, beside the adapter's tensors. */
import { GlmError } from "../errors.ts";
import { quoted, shortened } from "../text-cut.ts";
import type { Fact } from "./fact.ts";

const FORMAT = "glmlab facts 1";

/** Name of the document. */
export const FACTS = "facts.json";

export function factsText(facts: readonly Fact[]): string {
  return `${JSON.stringify({ format: FORMAT, facts }, null, 2)}\n`;
}

/**
 * @param subject whose facts they are, for messages
 * @throws GlmError "data-invalid" that names what is wrong with the file
 */
export function factsFrom(text: string, subject: string): Fact[] {
  const damaged = (got: string): GlmError =>
    new GlmError(
      "data-invalid",
      `${subject}: expected facts as glmlab writes them in ${FACTS}, got ${got}. ` +
        "Load the book from a folder where the file is whole, or delete it (%adapter delete) and teach the facts again.",
    );
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw damaged(`text that is no JSON (${cause instanceof Error ? cause.message : cause})`);
  }
  const { format, facts } = (value ?? {}) as { format?: unknown; facts?: unknown };
  if (format !== FORMAT) throw damaged(`the format ${JSON.stringify(format)}`);
  if (!Array.isArray(facts)) throw damaged("no list of facts");
  const keys = new Set<string>();
  return facts.map((fact: unknown, i) => {
    if (!isFact(fact)) throw damaged(`${shortened(JSON.stringify(fact))} as fact ${i + 1}`);
    const { key, text, prompts, paraphrases, learned, replaces } = fact;
    if (keys.has(key)) throw damaged(`a second fact of the key ${quoted(key)} as fact ${i + 1}`);
    keys.add(key);
    return { key, text, prompts, paraphrases, learned, ...(replaces === undefined ? {} : { replaces }) };
  });
}

function isFact(value: unknown): value is Fact {
  if (typeof value !== "object" || value === null) return false;
  const { key, text, prompts, paraphrases, learned, replaces } = value as Record<string, unknown>;
  const isText = (one: unknown): boolean => typeof one === "string" && one.trim() !== "";
  const areTexts = (list: unknown, least: number): boolean =>
    Array.isArray(list) && list.length >= least && list.every(isText);
  return (
    isText(key) &&
    isText(text) &&
    typeof learned === "boolean" &&
    areTexts(prompts, 1) &&
    areTexts(paraphrases, 0) &&
    (replaces === undefined || isText(replaces))
  );
}
