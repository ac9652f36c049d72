/** @file The knowledge books of a model, as the magics find and remember them. */
import { GlmError } from "../../src/errors.ts";
import type { ChatGLM, KnowledgeBook } from "../../src/index.ts";
import { suggestion } from "../../src/suggestion.ts";
import { sessionOf } from "../session.ts";

/**
 * Opens a book that exists: only adding makes one.
 * @param title of the magic, for messages
 * @throws GlmError "adapter-not-found" with the nearest book
 */
export async function openBook(model: ChatGLM, name: string, title: string): Promise<KnowledgeBook> {
  const names = (await model.adapters()).map((adapter) => adapter.name);
  if (names.includes(name)) return opened(model, name, { create: false });
  const books = await refreshBooks(model, names);
  const hint = books.length === 0 ? " This notebook has none yet." : suggestion(name, books);
  throw new GlmError(
    "adapter-not-found",
    `${title}: expected a book that exists, got ${JSON.stringify(name)}.${hint} ` +
      "%%knowledge add KEY, with a text below it, makes one.",
  );
}

/** Whether an adapter that exists keeps facts, be they damaged. */
export async function isBook(model: ChatGLM, name: string): Promise<boolean> {
  try {
    await opened(model, name, { create: false });
    return true;
  } catch (error) {
    if (!(error instanceof GlmError)) throw error;
    return error.code === "data-invalid";
  }
}

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

/** Looks which of the adapters are books; returns their names. */
export async function refreshBooks(model: ChatGLM, adapters: readonly string[]): Promise<readonly string[]> {
  const { books } = sessionOf(model);
  books.clear();
  for (const name of adapters) {
    // Others are no books, or damaged ones, which are told of when they are used.
    await opened(model, name, { create: false }).catch((error: unknown) => {
      if (!(error instanceof GlmError)) throw error;
    });
  }
  return [...books.keys()];
}
