/** @file The knowledge books of a model, as the magics find and remember them. */
import { GlmError } from "../../src/errors.ts";
import type { AdapterInfo, ChatGLM, KnowledgeBook } from "../../src/index.ts";
import { FACTS } from "../../src/knowledge/facts-file.ts";
import { suggestion } from "../../src/suggestion.ts";
import { quoted } from "../../src/text-cut.ts";
import { sessionOf } from "../session.ts";

/**
 * Opens a book that exists: only adding makes one.
 * @param title of the magic, for messages
 * @throws GlmError "adapter-not-found" with the nearest book
 */
export async function openBook(model: ChatGLM, name: string, title: string): Promise<KnowledgeBook> {
  const adapters = await model.adapters();
  if (adapters.some((adapter) => adapter.name === name)) return opened(model, name, { create: false });
  const books = adapters.filter(keepsFacts).map((book) => book.name);
  const hint = books.length === 0 ? " This notebook has none yet." : suggestion(name, books);
  throw new GlmError(
    "adapter-not-found",
    `${title}: expected a book that exists, got ${quoted(name)}.${hint} ` +
      "%%knowledge add KEY, with a text below it, makes one.",
  );
}

/** Whether an adapter keeps facts, be they damaged. */
export const keepsFacts = ({ documents }: AdapterInfo): boolean => documents.includes(FACTS);

/** Opens a book, or makes it. */
export async function opened(
  model: ChatGLM,
  ...[name, options]: Parameters<ChatGLM["knowledge"]>
): Promise<KnowledgeBook> {
  const book = await model.knowledge(name, options);
  rememberFacts(model, book);
  return book;
}

/** Keeps the keys for completion. */
export function rememberFacts(model: ChatGLM, book: KnowledgeBook): void {
  sessionOf(model).books.set(
    book.name,
    book.list().map(({ key }) => key),
  );
}

/** Keeps the keys of all books among the adapters. */
export async function refreshBooks(model: ChatGLM, adapters: readonly AdapterInfo[]): Promise<void> {
  sessionOf(model).books.clear();
  for (const { name } of adapters.filter(keepsFacts)) {
    await opened(model, name, { create: false }).catch((error: unknown) => {
      // Damaged facts are told of when the book is used, and what is gone by now is no book.
      if (!(error instanceof GlmError && (error.code === "data-invalid" || error.code === "adapter-not-found")))
        throw error;
    });
  }
}
