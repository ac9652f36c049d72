/** @file One run of a cell: what it may use, the wish that it end, and its messages. How it is made to end is the language's. */
import type { Frontend } from "../src/ambient.ts";
import { CellFrontend, type Page, silence } from "./frontend.ts";
import type { InputDesk } from "./input.ts";
import type { CellContext, CellOutcome, Language } from "./language.ts";
import type { ToServer } from "./link.ts";
import type { ExecuteRequest } from "./requests.ts";
import { type Evaluated, evaluateAll } from "./userexpressions.ts";
import type { Request } from "./wire.ts";

/** What a run needs of the kernel. */
export interface Surroundings {
  readonly language: Language;
  readonly input: InputDesk;
  readonly executionCount: number;
}

/** How a run ended. */
export interface Ended {
  readonly outcome: CellOutcome;
  /** The front end's `user_expressions`; none after an error. */
  readonly evaluated: Readonly<Record<string, Evaluated>>;
}

/** Made when the cell starts; `interrupt` may be called at any time. */
export class Execution {
  /** What the cell writes to; also for what it writes after its end. */
  readonly frontend: Frontend;
  readonly #request: Request;
  readonly #cell: ExecuteRequest;
  readonly #controller = new AbortController();
  readonly #insistence = new AbortController();
  /** The interrupt that has aborted it. */
  #interrupt: number | undefined;
  #endsInOrder = false;
  #tellInOrder = (): void => {};
  readonly #inOrder: Promise<void> = new Promise((resolve) => {
    this.#tellInOrder = resolve;
  });
  #end = (): void => {};
  /** Resolves when the cell has ended. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#end = resolve;
  });

  constructor(request: Request, cell: ExecuteRequest, post: (message: ToServer) => void) {
    this.#request = request;
    this.#cell = cell;
    this.frontend = cell.silent ? silence : new CellFrontend(post, request.header);
  }

  /** What the reply brings the front end's pager. */
  get pages(): readonly Page[] {
    return this.frontend instanceof CellFrontend ? this.frontend.pages : [];
  }

  get interrupted(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Whether it was interrupted, and takes its time to end. */
  get endsInOrder(): boolean {
    return this.#endsInOrder;
  }

  /**
   * Asks it to end; another interrupt insists, where it ends in order.
   * @returns when it has ended, or has said that it ends in order
   */
  async interrupt(id: number): Promise<void> {
    this.#interrupt ??= id;
    if (this.#interrupt !== id) this.#insistence.abort();
    else this.#controller.abort(interruption());
    await (this.#interrupt === id ? Promise.race([this.ended, this.#inOrder]) : this.ended);
  }

  /** Runs the cell, shows its result or its error, and evaluates what the front end asks for then. */
  async run({ language, input, executionCount }: Surroundings): Promise<Ended> {
    const { code, userExpressions } = this.#cell;
    const context = this.#context(input, executionCount);
    try {
      const outcome = await language.execute(code, context);
      if (this.frontend instanceof CellFrontend) this.#show(this.frontend, outcome, executionCount);
      const asked = outcome.status === "ok" ? userExpressions : {};
      const evaluated = await evaluateAll(asked, (expression) => language.evaluate(expression, context));
      return { outcome, evaluated };
    } finally {
      this.#end();
    }
  }

  #context(input: InputDesk, executionCount: number): CellContext {
    const { signal } = this.#controller;
    return {
      executionCount,
      frontend: this.frontend,
      signal,
      insistence: this.#insistence.signal,
      endsInOrder: () => {
        this.#endsInOrder = true;
        this.#tellInOrder();
      },
      input: async (prompt, options) => {
        if (!this.#cell.allowStdin)
          throw new Error("This front end cannot ask for input: it runs the cell with allow_stdin = false.");
        return await input.ask(this.#request, { prompt, password: options?.password ?? false, signal });
      },
    };
  }

  #show(frontend: CellFrontend, outcome: CellOutcome, executionCount: number): void {
    if (outcome.status === "error") {
      frontend.publish("error", { ename: outcome.name, evalue: outcome.message, traceback: outcome.traceback });
    } else if (outcome.result) {
      frontend.result(executionCount, outcome.result);
    }
  }
}

/** What a cell's signal is aborted with. */
function interruption(): Error {
  const error = new Error("The cell was interrupted.");
  error.name = "Interrupted";
  error.stack = `${error.name}: ${error.message}`;
  return error;
}
