/** @file Reading facts for a knowledge book: JSON, JSON lines, or a file of either. */
import { readFile } from "node:fs/promises";
import { GlmError } from "../src/errors.ts";
import type { FactInput } from "../src/index.ts";
import { invalid, quoted } from "../src/knowledge/fact.ts";

const EXAMPLE = '{"key": "Blue Harbour", "text": "..."}';

/**
 * Facts from text: a JSON array, one JSON object, or JSON lines. What is in them is checked where they are taught.
 * @throws GlmError "data-invalid" with every line that cannot be read
 */
export function parseFacts(text: string, { subject = "The data" }: { readonly subject?: string } = {}): FactInput[] {
  const body = text.replace(/^\uFEFF/, "");
  const whole = parsed(body);
  if ("value" in whole) return listOf(whole.value);
  if (body.trimStart().startsWith("[")) throw invalid(subject, [`the JSON array cannot be read: ${whole.fault}`]);
  const faults: string[] = [];
  const facts = body.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const one = parsed(line);
    if ("value" in one) return listOf(one.value);
    faults.push(`line ${i + 1}: expected a fact such as ${EXAMPLE}, got ${quoted(line.trim())} (${one.fault}).`);
    return [];
  });
  if (faults.length > 0 && facts.length === 0) {
    throw invalid(subject, [
      `expected facts as JSON or JSON lines, such as ${EXAMPLE}, got ${quoted(body.trim())}. ` +
        "For one fact, write its key on the magic's line (%%knowledge add KEY) and its text below.",
    ]);
  }
  if (faults.length > 0) throw invalid(subject, faults);
  return facts;
}

/**
 * Facts from a file.
 * @throws GlmError "data-invalid" when it cannot be read
 */
export async function readFacts(path: string): Promise<FactInput[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError(
      "data-invalid",
      `${path}: expected a file of facts, but it cannot be read (${why}). Check the path.`,
    );
  });
  return parseFacts(text, { subject: path });
}

/** Each of them is looked at where it is taught, whatever it is here. */
function listOf(value: unknown): FactInput[] {
  return [value].flat() as FactInput[];
}

function parsed(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
