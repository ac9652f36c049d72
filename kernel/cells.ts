/**
 * @file TypeScript cells as the kernel's language, and the map of this half of the kernel:
 *
 *   cell --magics/expand--> TypeScript --compiler.ts (tslab.ts, commonjs.ts)--> function --executor.ts--> value or error
 *          sourcemap.ts and traceback.ts lead errors back the whole way; timers.ts ends what an interrupted cell awaits
 */
import { setMaxListeners } from "node:events";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Expansion } from "../magics/expand.ts";
import { ambient, withAmbient } from "../src/ambient.ts";
import { say, toBundle } from "./bundle.ts";
import { endChildrenWithCells } from "./children.ts";
import { writeCaches } from "./compilecache.ts";
import { Compiler, type Complaint } from "./compiler.ts";
import { Shown } from "./display.ts";
import { Endings } from "./endings.ts";
import { type CellOrigin, Executor } from "./executor.ts";
import type { CellContext, CellOutcome, Completeness, Completion, Language } from "./language.ts";
import { fitBundle } from "./mime.ts";
import { DECLARATIONS, notebookVariables } from "./prelude.ts";
import { ModuleResolver } from "./resolve.ts";
import { offsetOf, placeOf, SourceMaps } from "./sourcemap.ts";
import { completeSpecifier } from "./specifiers.ts";
import { flushStreams } from "./streams.ts";
import {
  complaintsFailure,
  type Failure,
  failureAt,
  failureOf,
  installStackTraces,
  interruption,
  placeOfError,
} from "./traceback.ts";
import { tslabModule } from "./tslab.ts";

export interface LanguageOptions {
  /** The notebook's folder: its imports start here. Default: the process's. */
  readonly cwd?: string;
  /** Identifies the notebook to what its cells call. */
  readonly notebook?: string;
  /** Interrupts the running cell if that was asked for while this thread was blocked, and says whether it did. */
  takeInterrupt?(): boolean;
}

/** Milliseconds that an interrupted cell has to end by itself; less than the server thread's patience. */
const GRACE = 250;
/** Milliseconds of idleness after which the kernel prepares for the first cell, and later for its next start. */
const IDLE = { warm: 20, cache: 3000 };

/** TypeScript's numbers for a name that nothing has; for the latter it found one that is spelt nearly so. */
const UNKNOWN_NAME_LIKE_ANOTHER = 2552;
const UNKNOWN_NAMES: readonly number[] = [
  2304,
  UNKNOWN_NAME_LIKE_ANOTHER,
  2581, // `$`, which TypeScript takes for jQuery
  2592,
  18004,
];

type Magics = Awaited<ReturnType<typeof loadMagics>>;

/**
 * Loads TypeScript and is ready for cells: the better part of a second, mostly synchronous. Call it once a process:
 * it takes over `Error.prepareStackTrace`.
 */
export async function createLanguage(options: LanguageOptions = {}): Promise<Language> {
  const modules = new ModuleResolver(options.cwd ?? process.cwd());
  const compiler = new Compiler({
    cwd: modules.cwd,
    lookups: (specifier, importer) => modules.lookups(specifier, importer),
  });
  const magics = await loadMagics(); // after the compiler, whose TypeScript they use too
  endChildrenWithCells(() => options.takeInterrupt?.() ?? false);
  const language = new Cells(modules, compiler, magics, options.notebook);
  setTimeout(() => language.warm(), IDLE.warm).unref();
  setTimeout(writeCaches, IDLE.cache).unref();
  return language;
}

/** One after the other: Node 20 fails at times when import() runs concurrently over modules that share others. */
async function loadMagics() {
  const { expand } = await import("../magics/expand.ts");
  const { completeMagic } = await import("../magics/complete.ts");
  const { inspectMagic } = await import("../magics/inspect.ts");
  const { MagicError } = await import("../magics/error.ts");
  const { habitIn } = await import("../magics/habits.ts");
  return { expand, completeMagic, inspectMagic, habitIn, MagicError };
}

class Cells implements Language {
  readonly #modules: ModuleResolver;
  readonly #compiler: Compiler;
  readonly #magics: Magics;
  readonly #notebook: string | undefined;
  readonly #maps = new SourceMaps();
  readonly #contexts = new WeakMap<AbortSignal, CellContext>();
  readonly #executor: Executor;
  #declarations = DECLARATIONS;
  #used = false;

  constructor(modules: ModuleResolver, compiler: Compiler, magics: Magics, notebook: string | undefined) {
    this.#modules = modules;
    this.#compiler = compiler;
    this.#magics = magics;
    this.#notebook = notebook;
    const variables = notebookVariables((signal) => this.#contexts.get(signal));
    this.#executor = new Executor({ modules, maps: this.#maps, tslab: () => tslabModule(display) }, variables);
    installStackTraces(this.#maps);
  }

  /** Compiles a cell that nobody sees, unless somebody was faster: the first compilation is the slowest. */
  warm(): void {
    if (!this.#used) this.#compiler.compile(this.#declarations, "console.log(await 1)");
  }

  execute(code: string, context: CellContext): Promise<CellOutcome> {
    return this.#settle(context, () => this.#run(code, context));
  }

  evaluate(expression: string, context: CellContext): Promise<CellOutcome> {
    return this.#settle(context, () => this.#evaluate(expression));
  }

  /**
   * Runs `body` as the cell's own code, which an interrupt ends. All of the cell's that may be stuck runs with its signal,
   * by which a termination knows it, and nothing that waits for it does.
   */
  #settle(context: CellContext, body: () => Promise<CellOutcome>): Promise<CellOutcome> {
    this.#used = true;
    const controller = new AbortController();
    const { signal } = controller;
    setMaxListeners(0, signal); // whatever a cell starts may listen to it
    this.#contexts.set(signal, context);
    const notebook = this.#notebook === undefined ? {} : { notebook: this.#notebook };
    const endings = new Endings();
    const ending = (work: Promise<unknown>): void => endings.add(work);
    const surroundings = { ...ambient(), ...notebook, signal, frontend: context.frontend, ending };
    return new Promise((resolve) => {
      let patience: NodeJS.Timeout | undefined;
      const end = (outcome: CellOutcome): void => {
        // In a turn of its own: what the cell leaves to this one may be stuck, and who waited would be terminated with it.
        setImmediate(() => {
          clearTimeout(patience);
          context.signal.removeEventListener("abort", interrupt);
          context.insistence.removeEventListener("abort", giveUp);
          flushStreams(context.frontend);
          resolve(signal.aborted && outcome.status === "ok" ? interruption() : outcome);
        });
      };
      const giveUp = (): void => end(interruption());
      const lose = (): void => {
        if (endings.areOver) {
          giveUp();
          return;
        }
        context.endsInOrder();
        context.insistence.addEventListener("abort", giveUp);
        void endings.over().then(() => {
          patience = setTimeout(lose, GRACE);
        });
      };
      const interrupt = (): void => {
        // A cell that was terminated, or that waits for what never comes, does not settle: then this ends it.
        patience = setTimeout(lose, GRACE);
        // Listeners are called from here, but belong to the cell.
        withAmbient(surroundings, () => controller.abort(context.signal.reason));
      };
      if (context.signal.aborted) return end(interruption());
      context.signal.addEventListener("abort", interrupt);
      // On a stack of its own: a termination would otherwise take our caller with it.
      const cell = withAmbient(surroundings, () =>
        Promise.resolve()
          .then(body)
          .then(
            (outcome) => (signal.aborted ? interruption() : outcome),
            (error: unknown) => (signal.aborted ? interruption(placeOfError(error)) : failureOf(error)),
          ),
      );
      void cell.then(end);
    });
  }

  async #run(code: string, { executionCount }: CellContext): Promise<CellOutcome> {
    const name = `Cell [${executionCount}]`;
    const expansion = this.#expand(code, name);
    if ("status" in expansion) return expansion;
    const origin = { name, text: code, expanded: expansion.code, map: expansion.map };
    const compiled = this.#compiler.compile(this.#declarations, expansion.code);
    if ("complaints" in compiled) {
      return (
        this.#habit(origin, compiled.complaints) ?? complaintsFailure(compiled.complaints, origin, this.#modules.cwd)
      );
    }
    // Also if it fails: later cells may use what it came to assign.
    this.#declarations = compiled.cell.declarations;
    const value = await this.#executor.run(compiled.cell, origin);
    // What display() gives back stands for what is to be seen already.
    const isSeen = value === undefined || value instanceof Shown;
    return isSeen ? { status: "ok" } : { status: "ok", result: await toBundle(value) };
  }

  /** What to write instead where a cell is written for IPython. */
  #habit(cell: CellOrigin, complaints: readonly Complaint[]): Failure | undefined {
    const unknown = complaints
      .filter(({ code, file }) => file === undefined && UNKNOWN_NAMES.includes(code))
      .map(({ code, line, column }) => {
        return { at: offsetOf(cell.expanded, line, column), isLikeAnother: code === UNKNOWN_NAME_LIKE_ANOTHER };
      });
    const habit = this.#magics.habitIn(cell.expanded, unknown);
    return habit && failureAt(habit, placeOf(cell, habit.offset), habit.length);
  }

  async #evaluate(expression: string): Promise<CellOutcome> {
    const name = "Expression";
    const expanded = this.#compiler.asExpression(expression);
    if (expanded === undefined) {
      const error = new SyntaxError(`Expected one expression, got ${JSON.stringify(expression)}.`);
      return failureAt(error, placeOf({ name, text: expression, map: (offset) => offset }, 0), expression.length);
    }
    const origin = { name, text: expression, expanded, map: (offset: number) => offset - 1 };
    const compiled = this.#compiler.compile(this.#declarations, expanded);
    if ("complaints" in compiled) return complaintsFailure(compiled.complaints, origin, this.#modules.cwd);
    return { status: "ok", result: await toBundle(await this.#executor.run(compiled.cell, origin)) };
  }

  complete(code: string, cursor: number): Completion {
    const magic = this.#magics.completeMagic(code, cursor);
    if (magic) return { matches: [...magic.matches], start: magic.start, end: magic.end };
    const specifier = completeSpecifier(code, cursor, this.#modules.cwd);
    if (specifier) return specifier;
    const { code: expanded, map, toExpanded } = this.#expandLeniently(code);
    const { matches, start, end } = this.#compiler.complete(this.#declarations, expanded, toExpanded(cursor));
    const from = Math.min(map(start), cursor);
    const typed = code.slice(from, cursor);
    const shown = matches.filter((match) => typed.startsWith("_") || !match.startsWith("__"));
    return { matches: shown, start: from, end: Math.max(map(end), cursor) };
  }

  inspect(code: string, cursor: number): ReturnType<Language["inspect"]> {
    const magic = this.#magics.inspectMagic(code, cursor);
    if (magic) return magic;
    const { code: expanded, toExpanded } = this.#expandLeniently(code);
    const ask = (offset: number) => this.#compiler.inspect(this.#declarations, expanded, toExpanded(offset));
    // Front ends ask with the cursor after the name or after the parenthesis that calls it.
    const before = /[\w$]\s*\(?\s*$/.exec(code.slice(0, cursor));
    return ask(cursor) ?? (before ? ask(before.index) : undefined);
  }

  isComplete(code: string): Completeness {
    if (/(^|\n)\s*%[^\n]*\\\s*$/.test(code)) return { status: "incomplete", indent: "" };
    // The text below a cell magic is up to whoever types: what is asked is whether there is such a magic.
    const expansion = this.#expand(/^\s*%%[^\n]*\s*$/.test(code) ? `${code}\n0` : code, "");
    if ("status" in expansion) return { status: "invalid" };
    const completeness = this.#compiler.isComplete(expansion.code);
    const isHabit = completeness.status === "incomplete" && this.#magics.habitIn(expansion.code) !== undefined;
    return isHabit ? { status: "invalid" } : completeness;
  }

  #expand(code: string, name: string): Expansion | Failure {
    try {
      return this.#magics.expand(code, { declared: (variable) => Object.hasOwn(this.#executor.variables, variable) });
    } catch (error) {
      if (!(error instanceof this.#magics.MagicError)) throw error;
      return failureAt(error, placeOf({ name, text: code, map: (offset) => offset }, error.offset), error.length);
    }
  }

  /** The cell as it is where its magics are not well written (yet). */
  #expandLeniently(code: string): Expansion {
    const expansion = this.#expand(code, "");
    if (!("status" in expansion)) return expansion;
    return { code, isMagic: false, map: (offset) => offset, toExpanded: (offset) => offset };
  }
}

/** Where tslab's own display functions write. */
function display(given: Record<string, unknown>, id: string | undefined, isUpdate: boolean): void {
  const { frontend } = ambient();
  const bundle = fitBundle(given, say);
  if (isUpdate && id !== undefined) frontend?.update(id, bundle);
  else frontend?.display(bundle, id === undefined ? {} : { id });
}
