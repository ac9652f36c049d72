/** @file The facts that a book's adapter keeps: where they are read, and how they change. */
import { join } from "node:path";
import type { AdapterDocuments } from "../adapters/documents.ts";
import type { AdapterRef } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { type Fact, judgedFact } from "../knowledge/fact.ts";
import { FACTS, factsFrom, factsText } from "../knowledge/facts-file.ts";
import type { FactReport } from "../knowledge/report.ts";
import { readText } from "../regular-file.ts";
import type { HandleContext } from "./context.ts";

/**
 * The facts of a book.
 * @throws GlmError "adapter-invalid" when the adapter is no book, "data-invalid" when its facts are damaged
 */
export async function factsOf(context: HandleContext, ref: AdapterRef): Promise<Fact[]> {
  const document = { model: context.info.key, adapter: ref, document: FACTS } as const;
  return factsIn(await context.engine.call("readDocument", document), ref.name);
}

function factsIn(text: string | null, name: string): Fact[] {
  if (text !== null) return factsFrom(text, `book ${name}`);
  throw new GlmError(
    "adapter-invalid",
    `knowledge: ${name} is an adapter without facts, not a book. Choose another name, or delete the adapter first.`,
  );
}

/**
 * Replaces the facts of a book by what a change makes of those that are there now: what another notebook wrote of a shared
 * book is not lost. Without the cell's signal: what is known is written down, above all when the cell was interrupted.
 */
export async function rewriteFacts(
  context: HandleContext,
  ref: AdapterRef,
  change: (facts: readonly Fact[]) => readonly Fact[],
): Promise<readonly Fact[]> {
  const document = { model: context.info.key, adapter: ref, document: FACTS } as const;
  for (;;) {
    const replaces = await context.engine.call("readDocument", document);
    const facts = change(factsIn(replaces, ref.name));
    try {
      await context.engine.call("writeDocument", { ...document, text: factsText(facts), replaces });
      return facts;
    } catch (error) {
      // Somebody was faster: what they wrote is changed, then.
      if (!(error instanceof GlmError && error.code === "adapter-changed")) throw error;
    }
  }
}

/**
 * Looks into facts.json of an adapter's folder, where there is one.
 * @throws GlmError "data-invalid" that names what is wrong with it
 */
export async function mustHaveSoundFacts(folder: string): Promise<void> {
  const path = join(folder, FACTS);
  const text = await readText(path).catch(() => undefined);
  if (text !== undefined) factsFrom(text, path);
}

/** What a book keeps when it is made. */
export const noFacts: AdapterDocuments = { [FACTS]: factsText([]) };

/** Keys of those that are known. */
export const learnedKeys = (facts: readonly FactReport[]): ReadonlySet<string> =>
  new Set(facts.filter(({ learned }) => learned).map(({ key }) => key));

/** The facts, of which those that were asked are known or not; one that has another text by now was not asked. */
export function judged(facts: readonly Fact[], asked: readonly Fact[], known: ReadonlySet<string>): Fact[] {
  const texts = new Map(asked.map(({ key, text }) => [key, text]));
  return facts.map((fact) => (texts.get(fact.key) === fact.text ? judgedFact(fact, known.has(fact.key)) : fact));
}

/** The facts with some of them as they are now: in their places, or at the end. */
export function replaced(facts: readonly Fact[], some: readonly Fact[], atEnd: boolean): Fact[] {
  const now = new Map(some.map((fact) => [fact.key, fact]));
  if (atEnd) return [...facts.filter(({ key }) => !now.has(key)), ...some];
  return facts.map((fact) => now.get(fact.key) ?? fact);
}
