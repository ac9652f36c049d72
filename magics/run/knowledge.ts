/** @file What %knowledge and %%knowledge do. */
import type { GivenMethod } from "../../src/api/methods.ts";
import { GlmError } from "../../src/errors.ts";
import type {
  ChatGLM,
  Fact,
  FactInput,
  KnowledgeBook,
  KnowledgeReport,
  ReportData,
  TeachSettings,
} from "../../src/index.ts";
import { FactsError } from "../../src/knowledge/fact.ts";
import { plural } from "../../src/plural.ts";
import { quoted, shortened } from "../../src/text-cut.ts";
import { placesOf } from "../facts.ts";
import { isInterrupt } from "../interrupt.ts";
import { show, write } from "../live.ts";
import { visible } from "../render/answer.ts";
import { renderFacts, renderReport } from "../render/report.ts";
import { currentModel, DEFAULT_BOOK } from "../session.ts";
import { asWord } from "../words.ts";
import { mustBeShared, refreshAdapters } from "./adapter.ts";
import { openBook, opened, rememberFacts } from "./books.ts";
import type { OfModel } from "./chat.ts";
import { interruptible } from "./interruptible.ts";
import { KnowledgeView } from "./knowledge-view.ts";

export interface BookOptions extends OfModel {
  /** The book's name: facts by default. */
  readonly book?: string;
}

export interface TeachingOptions extends BookOptions, Omit<TeachSettings, "signal" | "onProgress"> {}

export interface AddOptions extends TeachingOptions {
  /** How a new book is fine-tuned: LoRA on every linear module by default. Of a book that exists, it must be how it was made. */
  readonly method?: GivenMethod;
  /** Makes a new book visible to every notebook. */
  readonly share?: boolean;
}

/** Teaches facts, which are kept in a book that is made where there is none. Shows how it goes, and what came of it. */
export async function knowledgeAdd(
  facts: FactInput | readonly FactInput[],
  { model: given, book: name = DEFAULT_BOOK, method, share = false, ...settings }: AddOptions = {},
): Promise<KnowledgeReport> {
  const model = currentModel(given);
  const task = { model, name, action: "add", title: "%%knowledge add", facts } as const;
  return watched(task, async (view) => {
    const known = (await model.adapters()).find((adapter) => adapter.name === name);
    if (share && known) mustBeShared(task.title, known);
    const isNew = known === undefined;
    const book = await opened(model, name, { ...method, ...(share ? { share } : {}) });
    if (isNew) await refreshAdapters(model);
    if (isNew && book.adapter.note !== undefined) write(`${book.adapter.note}\n`);
    view.begin(`teaching ${named([facts].flat().map((fact) => fact?.key))}`);
    try {
      const report = await book.add(facts, { ...settings, onProgress: (progress) => view.take(progress) });
      rememberFacts(model, book);
      return { book, report };
    } catch (error) {
      // A book that was only made for facts that cannot be taught would be in the way of one that is made otherwise.
      if (isNew && book.list().length === 0 && error instanceof GlmError) {
        // Why it could not be taught matters more than that it could not be tidied up.
        const tidied = book.adapter.dispose().then(() => refreshAdapters(model));
        await tidied.catch(() => undefined);
      } else rememberFacts(model, book);
      throw error;
    }
  });
}

/** Teaches another text for a fact. */
export async function knowledgeUpdate(
  fact: FactInput,
  { model: given, book: name = DEFAULT_BOOK, ...settings }: TeachingOptions = {},
): Promise<KnowledgeReport> {
  const task = {
    model: currentModel(given),
    name,
    action: "update",
    title: "%%knowledge update",
    facts: fact,
  } as const;
  return onBook(task, (book, view) => {
    view.begin(`teaching ${named([fact.key])} anew`);
    return book.update(fact, { ...settings, onProgress: (progress) => view.take(progress) });
  });
}

/** Forgets facts. */
export async function knowledgeDelete(
  keys: readonly string[],
  { model: given, book: name = DEFAULT_BOOK, ...settings }: TeachingOptions = {},
): Promise<KnowledgeReport> {
  const task = { model: currentModel(given), name, action: "delete", title: "%knowledge delete" } as const;
  return onBook(task, (book, view) => {
    mustBeQuoted(keys, book);
    view.begin(`forgetting ${named(keys)}`);
    return book.delete(keys, { ...settings, onProgress: (progress) => view.take(progress) });
  });
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
  const task = { model: currentModel(given), name, action: "check", title: "%knowledge check" } as const;
  return onBook(task, (book, view) => {
    const facts = book.list().length;
    view.begin(facts > 0 ? `checking ${plural(facts, "fact")}` : "checking a book without facts");
    return book.check({ onProgress: (progress) => view.take(progress) });
  });
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

interface Task {
  readonly model: ChatGLM;
  /** The book's. */
  readonly name: string;
  readonly action: ReportData["action"];
  /** Of the magic. */
  readonly title: string;
  readonly facts?: FactInput | readonly FactInput[];
}

/** Work on a book that exists. */
function onBook(
  task: Task,
  work: (book: KnowledgeBook, view: KnowledgeView) => Promise<KnowledgeReport>,
): Promise<KnowledgeReport> {
  return watched(task, async (view) => {
    const book = await openBook(task.model, task.name, task.title);
    try {
      return { book, report: await work(book, view) };
    } finally {
      rememberFacts(task.model, book);
    }
  });
}

/**
 * Shows how the work goes, and its report: first what went wrong, last how to ask for what was taught. Of an interruption,
 * however early, it says what it leaves.
 */
async function watched(
  task: Task,
  work: (view: KnowledgeView) => Promise<{ readonly book: KnowledgeBook; readonly report: KnowledgeReport }>,
): Promise<KnowledgeReport> {
  const { name, action } = task;
  const view = new KnowledgeView(name, action);
  const interrupted = (): void => {
    view.stop("stopped");
    write(`${view.interrupted()}\n`, "stderr");
  };
  try {
    const { book, report } = await interruptible(() => work(view), interrupted);
    view.done();
    await view.picture();
    const problems = report.problems();
    if (problems.length > 0) write(`${problems.join("\n")}\n`, "stderr");
    show(renderReport(report));
    const isTaught = (action === "add" || action === "update") && book.list().length > 0;
    if (isTaught) write(`Ask it: %%chatglm --adapter ${asWord(name)}\n`);
    return report;
  } catch (error) {
    view.stop("failed");
    await view.picture();
    throw isInterrupt(error) ? error : asWritten(error, task);
  }
}

/** A complaint of the library in the cell's terms: it names the magic, and each fact by its line or its key. */
function asWritten(error: unknown, { action, title, facts }: Task): unknown {
  if (error instanceof FactsError) {
    const places = facts ? placesOf(facts) : undefined;
    const key = facts && "key" in facts && typeof facts.key === "string" ? quoted(facts.key) : undefined;
    const several = Array.isArray(facts) && facts.length > 1;
    return new FactsError(title, error.faults, (fact) => places?.[fact] ?? (several ? `fact ${fact + 1}` : key));
  }
  if (!(error instanceof GlmError) || !error.message.startsWith(`${action}:`)) return error;
  return new GlmError(error.code, title + error.message.slice(action.length), { cause: error.cause });
}

/** "青石灯", "3 facts". */
function named(keys: readonly unknown[]): string {
  return keys.length === 1 ? shortened(String(keys[0]).replace(/\s+/g, " "), 24) : plural(keys.length, "fact");
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
