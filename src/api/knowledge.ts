/** @file A knowledge book: an adapter that keeps the facts it was taught, teaches more, checks, changes and forgets them. */

import { shownJson } from "../describe.ts";
import type { AdapterRef } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { InTurnByKey } from "../in-turn.ts";
import { completedFacts, type Fact, type FactInput, factsInvalid, judgedFact, updatedFact } from "../knowledge/fact.ts";
import { KnowledgeReport } from "../knowledge/report.ts";
import { parameterCount } from "../models/architectures.ts";
import { complete, type OptionRules, refuseUnknown } from "../options.ts";
import { suggestion } from "../suggestion.ts";
import type { AdapterHandle, AdapterSaveOptions } from "./adapter.ts";
import { factsOf, judged, learnedKeys, noFacts, replaced, rewriteFacts } from "./book-facts.ts";
import {
  factsMustFit,
  type Plan,
  rehearsalRows,
  rowsOf,
  type TeachSettings,
  teach,
  toForget,
  UNTRAINED,
} from "./book-training.ts";
import { faultsOf } from "./checks.ts";
import { type HandleContext, refOf } from "./context.ts";
import * as defaults from "./defaults.ts";
import { type ExamineOptions, Examiner, type Lesson } from "./examiner.ts";
import { largerThan } from "./knowledge-method.ts";
import { type Breadth, breadthOf, type Pace, paceRules } from "./knowledge-pace.ts";
import { rehearsal } from "./rows.ts";
import { type Abortable, onlySignal } from "./signal.ts";

export class KnowledgeBook {
  /** The adapter's name: `%%chatglm --adapter facts` answers from the book. */
  readonly name: string;
  /** The adapter that the facts are in. */
  readonly adapter: AdapterHandle;
  readonly #context: HandleContext;
  readonly #ref: AdapterRef;
  readonly #breadth: Breadth;
  readonly #parameters: number;
  readonly #examiner: Examiner;
  #facts: readonly Fact[];

  /** Made by `ChatGLM.knowledge`. */
  constructor(context: HandleContext, adapter: AdapterHandle, facts: readonly Fact[]) {
    this.name = adapter.name;
    this.adapter = adapter;
    this.#context = context;
    this.#ref = refOf(adapter);
    this.#facts = facts;
    // Not those of `info`, which are counted as they are stored: of a model in int4, packed bytes and scales.
    this.#parameters = parameterCount(context.info.config);
    this.#breadth = breadthOf(this.#parameters);
    this.#examiner = new Examiner(context, this.#ref, this.#breadth);
  }

  /** The facts, oldest first, as this handle last saw them: another one, or another notebook, may have changed them. */
  list(): readonly Fact[] {
    return this.#facts;
  }

  /**
   * Teaches facts until every taught wording is answered exactly, or the budget of steps is spent. Interrupted, the book
   * keeps what was known at the last check; a fact that is added again goes on from there.
   * @throws GlmError "data-invalid" with every fact that cannot be used; nothing is changed then
   */
  async add(facts: FactInput | readonly FactInput[], settings: TeachSettings = {}): Promise<KnowledgeReport> {
    return this.#inTurn(async () => {
      await this.#mustTrain("add", settings);
      const added = completedFacts("add", facts, this.#facts);
      const keys = new Set(added.map(({ key }) => key));
      const others = this.#facts.filter(({ key }) => !keys.has(key));
      const lessons = added.map((fact) => this.#examiner.lesson(fact));
      return this.#train(this.#plan("add", lessons, [...others, ...added]), settings);
    });
  }

  /**
   * Teaches another text for a fact.
   * @throws GlmError "data-invalid" when there is no fact of this key, or the text cannot be used
   */
  async update(fact: FactInput, settings: TeachSettings = {}): Promise<KnowledgeReport> {
    return this.#inTurn(async () => {
      await this.#mustTrain("update", settings);
      const before = this.#fact("update", fact?.key);
      const after = updatedFact("update", { ...fact, key: before.key }, before, this.#facts);
      const book = this.#facts.map((one) => (one.key === before.key ? after : one));
      return this.#train(
        { ...this.#plan("update", [this.#examiner.lesson(after)], book), outdated: after.replaces },
        settings,
      );
    });
  }

  /**
   * Forgets facts: their wordings get the base's own answers again. A book whose last fact is deleted is as new.
   * @throws GlmError "data-invalid" when there is no fact of a key
   */
  async delete(keys: string | readonly string[], settings: TeachSettings = {}): Promise<KnowledgeReport> {
    return this.#inTurn(async () => {
      await this.#mustTrain("delete", settings);
      const gone = [...new Set([keys].flat().map((key) => this.#fact("delete", key)))];
      if (gone.length === 0)
        throw factsInvalid("delete", ["expected the key of a fact or a list of them, got an empty list."]);
      const wordings = gone.flatMap(({ prompts, paraphrases }) => [...prompts, ...paraphrases]);
      const answers = await this.#examiner.base(wordings, settings);
      const book = this.#facts.filter((fact) => !gone.includes(fact));
      return this.#train(
        this.#plan(
          "delete",
          gone.map((fact) => ({ fact, answers: toForget(fact, answers) })),
          book,
        ),
        settings,
      );
    });
  }

  /** Asks everything that a report tells, without training. */
  async check(settings: ExamineOptions = {}): Promise<KnowledgeReport> {
    return this.#inTurn(async () => {
      const { onProgress, signal } = settings ?? {};
      refuseUnknown("check", settings, ["onProgress", "signal"], faultsOf({ onProgress, signal }));
      const started = performance.now();
      const before = await this.#examiner.scores(settings);
      const lessons = this.#facts.map((fact) => this.#examiner.lesson(fact));
      const asked = this.#facts;
      const keys = asked.map(({ key }) => key);
      const examined = await this.#examiner.examine({ action: "check", lessons, kept: [], keys }, settings);
      const known = learnedKeys(examined.facts);
      await this.#rewrite((facts) => judged(facts, asked, known));
      const base = await this.#examiner.baseUnchanged(before, settings);
      const seconds = (performance.now() - started) / 1000;
      return new KnowledgeReport({ ...examined, action: "check", base, ...UNTRAINED, seconds });
    });
  }

  /** What the book answers, greedily. */
  async query(question: string, options: Abortable = {}): Promise<string> {
    onlySignal("query", options);
    if (typeof question !== "string" || question.trim() === "") {
      throw factsInvalid("query", [`expected a question, got ${shownJson(question)}.`]);
    }
    const texts = this.#facts.map(({ text }) => text);
    return (await this.#examiner.book([question], texts, options)).get(question) ?? "";
  }

  /** Writes the adapter's files and facts.json; `loadAdapter` brings both back, and `knowledge` opens them. */
  async save(folder: string, options: AdapterSaveOptions = {}): Promise<void> {
    await this.#inTurn(() => this.adapter.save(folder, options));
  }

  #plan(action: Plan["action"], lessons: readonly Lesson[], book: readonly Fact[]): Plan {
    const kept = book.filter(({ learned }) => learned);
    return { action, lessons, kept, book, keys: [...this.#facts, ...book].map(({ key }) => key) };
  }

  #rules(facts: number): OptionRules<Pace & { seed: number }> {
    return { ...paceRules(this.adapter.config, this.#parameters, facts), ...defaults.seed };
  }

  async #train(plan: Plan, settings: TeachSettings): Promise<KnowledgeReport> {
    const { action, lessons, kept } = plan;
    const { signal, onProgress, rehearse } = settings;
    const { seed, ...pace } = complete(action, this.#rules(lessons.length), settings, OWN);
    factsMustFit(this.#context, plan);
    const started = performance.now();
    const examining = { signal, onProgress };
    // A book without facts is made anew: there is nothing left to forget.
    const nothing = action === "delete" && plan.book.length === 0;
    const before = await this.#examiner.scores(examining);
    if (nothing) {
      await this.#renew();
      onProgress?.({ type: "start", facts: lessons.length, wordings: 0, budget: 0 });
    }
    const rows = {
      lessons: nothing ? [] : lessons.flatMap(rowsOf),
      kept: kept.flatMap((fact) => rowsOf(this.#examiner.lesson(fact))),
      rehearse:
        rehearse === false || nothing
          ? []
          : await rehearsalRows(this.#examiner, this.#breadth, plan, rehearse, examining),
    };
    const maxLength = this.#context.info.config.contextLength;
    const options = {
      ...complete(action, defaults.teach, {}),
      ...pace,
      maxLength,
      seed,
      stop: this.#context.generation.stop,
    };
    const params = { model: this.#context.info.key, adapter: this.#ref, rows, options };
    /** The facts in question, known or not. Until it is forgotten, a fact is in the book, and known no more. */
    const inQuestion = (isKnown: (fact: Fact) => boolean): Fact[] =>
      lessons.map(({ fact }) => judgedFact(fact, action !== "delete" && isKnown(fact)));
    const was = this.#facts.filter(({ key }) => lessons.some(({ fact }) => fact.key === key));
    /** Writes down which of them are known, going by their wordings; where nothing was changed, what was known before. */
    const note = async (wordings: ReadonlySet<string>, isUntouched = false): Promise<void> => {
      const now = inQuestion(({ prompts }) => prompts.every((one) => wordings.has(one)));
      if (isUntouched && action !== "add") await this.#rewrite((facts) => replaced(facts, was, false));
      else await this.#rewrite((facts) => replaced(facts, now, action === "add"));
    };
    const { steps, loss } = await teach(this.#context, params, lessons.length, settings, note);

    const { known, ...examined } = await this.#examiner.examine(plan, examining);
    const done = learnedKeys(examined.facts);
    const now = inQuestion(({ key }) => done.has(key));
    await this.#rewrite((facts) => {
      const book = replaced(judged(facts, kept, known), now, action === "add");
      // What is forgotten leaves the book; what is not stays in it, to be deleted again.
      return action === "delete" ? book.filter(({ key }) => !done.has(key)) : book;
    });
    const base = await this.#examiner.baseUnchanged(before, examining);
    const seconds = (performance.now() - started) / 1000;
    const larger = largerThan(this.adapter.config);
    const room = larger === undefined ? {} : { larger };
    return new KnowledgeReport({ ...examined, action, base, steps, budget: pace.steps, loss, seconds, ...room });
  }

  /** The adapter as it was when the book was new: without effect. Without the cell's signal: it is done, or not begun. */
  async #renew(): Promise<void> {
    const { config } = this.adapter;
    const target = { model: this.#context.info.key, adapter: this.#ref };
    // Values and facts at once: whatever comes next, no fact is listed that the values do not have.
    const params = { ...target, config, seed: 0, existing: "replace" as const, documents: noFacts };
    await this.#context.engine.call("createAdapter", params);
    this.#facts = [];
  }

  /**
   * Before anything is asked or replaced: a book that was made anew would take back what was merged.
   * @throws GlmError "option-invalid" with every setting that cannot be used, "adapter-invalid" when the book is part of the
   * weights
   */
  async #mustTrain(action: Plan["action"], settings: TeachSettings): Promise<void> {
    const { signal, onProgress, rehearse } = settings ?? {};
    complete(action, this.#rules(1), settings, OWN, faultsOf({ signal, onProgress }));
    if (rehearse !== false) rehearsal(rehearse);
    if (!(await this.adapter.info({ signal })).merged) return;
    throw new GlmError(
      "adapter-invalid",
      `book ${this.name}: it is merged into the base and cannot be changed any more. ` +
        "Take that back (book.adapter.unmerge(), or %adapter unmerge), or save the merged model, load it, and teach a new book on it.",
    );
  }

  #fact(subject: string, key: unknown): Fact {
    const found = this.#facts.find((fact) => fact.key === (typeof key === "string" ? key.trim() : key));
    if (found) return found;
    const keys = this.#facts.map((fact) => fact.key);
    const hint = keys.length === 0 ? " The book is empty: add it first." : suggestion(String(key), keys);
    throw factsInvalid(subject, [`expected the key of a fact of ${this.name}, got ${shownJson(key)}.${hint}`]);
  }

  async #rewrite(change: (facts: readonly Fact[]) => readonly Fact[]): Promise<void> {
    this.#facts = await rewriteFacts(this.#context, this.#ref, change);
  }

  /** Reads what the book is now, which another handle may have changed, then does the work. One thing after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const own = turns.get(this.#context) ?? new InTurnByKey<string>();
    turns.set(this.#context, own);
    return own.do(JSON.stringify(this.#ref), async () => {
      this.#facts = await factsOf(this.#context, this.#ref);
      return work();
    });
  }
}

/** By model and book: a notebook may hold several handles of one book. */
const turns = new WeakMap<HandleContext, InTurnByKey<string>>();

/** Settings besides those of the pace. */
const OWN = ["signal", "onProgress", "rehearse"];
