/** @file What %knowledge and %%knowledge do. */
import type { MethodChoice } from "../../src/api/methods.ts";
import { counted } from "../../src/counted.ts";
import { GlmError } from "../../src/errors.ts";
import type {
  ChatGLM,
  Fact,
  FactInput,
  KnowledgeBook,
  KnowledgeProgress,
  KnowledgeReport,
  TeachSettings,
} from "../../src/index.ts";
import { isInterrupt } from "../interrupt.ts";
import { show, write } from "../live.ts";
import { visible } from "../render/answer.ts";
import { renderFacts, renderReport } from "../render/report.ts";
import { shortened } from "../render/text.ts";
import { currentModel, DEFAULT_BOOK } from "../session.ts";
import { asWord } from "../words.ts";
import { mustBeShared, refreshAdapters } from "./adapter.ts";
import { openBook, opened, rememberFacts } from "./books.ts";
import type { OfModel } from "./chat.ts";
import { KnowledgeView } from "./knowledge-view.ts";

export interface BookOptions extends OfModel {
  /** The book's name: facts by default. */
  readonly book?: string;
}

export interface TeachingOptions extends BookOptions, Omit<TeachSettings, "signal" | "onProgress"> {}

export interface AddOptions extends TeachingOptions {
  /** How a new book is fine-tuned: LoRA on every linear module by default. Of a book that exists, it must be how it was made. */
  readonly method?: MethodChoice;
  /** Makes a new book visible to every notebook. */
  readonly share?: boolean;
}

/** Teaches facts, which are kept in a book that is made where there is none. Shows how it goes, and what came of it. */
export async function knowledgeAdd(
  facts: FactInput | readonly FactInput[],
  { model: given, book: name = DEFAULT_BOOK, method, share = false, ...settings }: AddOptions = {},
): Promise<KnowledgeReport> {
  const model = currentModel(given);
  const isNew = !(await model.adapters()).some((adapter) => adapter.name === name);
  const book = await opened(model, name, { ...method, ...(share ? { share } : {}) });
  if (share) mustBeShared("%%knowledge add", book.adapter);
  if (isNew) await refreshAdapters(model);
  const keys = [facts].flat().map((fact) => fact?.key);
  try {
    return await taught(model, book, `teaching ${named(keys)}`, (onProgress) =>
      book.add(facts, { ...settings, onProgress }),
    );
  } catch (error) {
    // A book that was only made for facts that cannot be taught would be in the way of one that is made otherwise.
    if (isNew && book.list().length === 0 && error instanceof GlmError) {
      // Why it could not be taught matters more than that it could not be tidied up.
      const tidied = book.adapter.dispose().then(() => refreshAdapters(model));
      await tidied.catch(() => undefined);
    }
    throw error;
  }
}

/** Teaches another text for a fact. */
export async function knowledgeUpdate(
  fact: FactInput,
  { model: given, book: name = DEFAULT_BOOK, ...settings }: TeachingOptions = {},
): Promise<KnowledgeReport> {
  const model = currentModel(given);
  const book = await openBook(model, name, "%%knowledge update");
  return taught(model, book, `teaching ${fact.key} anew`, (onProgress) =>
    book.update(fact, { ...settings, onProgress }),
  );
}

/** Forgets facts. */
export async function knowledgeDelete(
  keys: readonly string[],
  { model: given, book: name = DEFAULT_BOOK, ...settings }: TeachingOptions = {},
): Promise<KnowledgeReport> {
  const model = currentModel(given);
  const book = await openBook(model, name, "%knowledge delete");
  mustBeQuoted(keys, book);
  return taught(model, book, `forgetting ${named(keys)}`, (onProgress) =>
    book.delete(keys, { ...settings, onProgress }),
  );
}

/** Shows and returns the facts of a book. */
export async function knowledgeList({
  model: given,
  book: name = DEFAULT_BOOK,
}: BookOptions = {}): Promise<readonly Fact[]> {
  const book = await openBook(currentModel(given), name, "%knowledge list");
  show(renderFacts(book.list(), book.name));
  return book.list();
}

/** Asks everything that a report tells, without training. */
export async function knowledgeCheck({
  model: given,
  book: name = DEFAULT_BOOK,
}: BookOptions = {}): Promise<KnowledgeReport> {
  const model = currentModel(given);
  const book = await openBook(model, name, "%knowledge check");
  return watched(model, book, `checking ${counted(book.list().length, "fact")}`, (onProgress) =>
    book.check({ onProgress }),
  );
}

/** Shows and returns what the book answers. */
export async function knowledgeQuery(
  question: string,
  { model: given, book: name = DEFAULT_BOOK }: BookOptions = {},
): Promise<string> {
  const book = await openBook(currentModel(given), name, "%knowledge query");
  const answer = await book.query(question);
  show({ "text/plain": visible(answer) });
  return answer;
}

type Work = (onProgress: (progress: KnowledgeProgress) => void) => Promise<KnowledgeReport>;

/** Work that changes a book, and then how to ask it. */
async function taught(model: ChatGLM, book: KnowledgeBook, doing: string, work: Work): Promise<KnowledgeReport> {
  const report = await watched(model, book, doing, work);
  if (book.list().length > 0) write(`Ask it: %%chatglm --adapter ${asWord(book.name)}\n`);
  return report;
}

/** Shows how the work goes, and its report: first what went wrong. */
async function watched(model: ChatGLM, book: KnowledgeBook, doing: string, work: Work): Promise<KnowledgeReport> {
  const view = new KnowledgeView(book.name, doing);
  try {
    const report = await work((progress) => view.take(progress));
    view.done();
    await view.picture();
    const problems = report.problems();
    if (problems.length > 0) write(`${problems.join("\n")}\n`, "stderr");
    show(renderReport(report));
    return report;
  } catch (error) {
    const interrupted = isInterrupt(error);
    view.stop(interrupted ? "stopped" : "failed");
    if (interrupted) write(`${view.interrupted()}\n`, "stderr");
    await view.picture();
    throw error;
  } finally {
    rememberFacts(model, book);
  }
}

/** "青石灯", "3 facts". */
function named(keys: readonly unknown[]): string {
  return keys.length === 1 ? shortened(String(keys[0]), 24) : counted(keys.length, "fact");
}

/** @throws GlmError "data-invalid" for a key of several words that is written without quotes */
function mustBeQuoted(keys: readonly string[], book: KnowledgeBook): void {
  const known = book.list().map(({ key }) => key);
  const whole = keys.join(" ");
  if (keys.length < 2 || keys.every((key) => known.includes(key)) || !known.includes(whole)) return;
  throw new GlmError(
    "data-invalid",
    `%knowledge delete: expected keys, each one word or quoted, got ${whole}. Write: %knowledge delete ${asWord(whole)}`,
  );
}
