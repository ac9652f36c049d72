/** @file One run of a cell: its surroundings while it runs, its end, also when it is torn off the stack, and its messages. */
import { setTimeout } from "node:timers";
import { type Frontend, withAmbient } from "../src/ambient.ts";
import { describe, describeError, isError } from "./describe.ts";
import { CellFrontend, type Page, silence } from "./frontend.ts";
import type { InputDesk } from "./input.ts";
import type { CellOutcome, Language } from "./language.ts";
import type { ToServer } from "./link.ts";
import type { ExecuteRequest } from "./requests.ts";
import { type Evaluated, evaluateAll } from "./userexpressions.ts";
import type { Request } from "./wire.ts";

/** Milliseconds after an interrupt until the kernel gives up waiting for the language to end a cell. */
const GRACE = 500;

/** What a run needs of the kernel. */
export interface Surroundings {
  readonly language: Language;
  readonly notebook: string;
  readonly input: InputDesk;
  readonly executionCount: number;
  post(message: ToServer): void;
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

  interrupt(): void {
    this.#controller.abort(interruption());
  }

  /** Runs the cell, shows its result or its error, and evaluates what the front end asks for then. Never rejects. */
  async run(surroundings: Surroundings): Promise<Ended> {
    const { code, userExpressions } = this.#cell;
    const outcome = await this.#outcome(surroundings, "execute", code);
    if (this.frontend instanceof CellFrontend) this.#show(this.frontend, outcome, surroundings.executionCount);
    const asked = outcome.status === "ok" ? userExpressions : {};
    const evaluated = await evaluateAll(asked, (expression) => this.#outcome(surroundings, "evaluate", expression));
    this.#end();
    return { outcome, evaluated };
  }

  #outcome(
    { language, notebook, input, executionCount }: Surroundings,
    method: "execute" | "evaluate",
    code: string,
  ): Promise<CellOutcome> {
    const { signal } = this.#controller;
    const { frontend } = this;
    const context = {
      executionCount,
      frontend,
      signal,
      input: async (prompt: string, options?: { password?: boolean }): Promise<string> => {
        if (!this.#cell.allowStdin)
          throw new Error("This front end cannot ask for input: it runs the cell with allow_stdin = false.");
        return await input.ask(this.#request, { prompt, password: options?.password ?? false, signal });
      },
    };
    return new Promise((resolve) => {
      // A termination unwinds the whole stack, and what it unwinds is never settled. So the cell starts on a stack of
      // its own, and its end does not depend on the language alone.
      queueMicrotask(() => {
        withAmbient({ signal, notebook, frontend }, () => language[method](code, context)).then(resolve, (error) =>
          resolve(failure(error)),
        );
      });
      if (signal.aborted) return resolve(failure(signal.reason));
      signal.addEventListener("abort", () => setTimeout(() => resolve(failure(signal.reason)), GRACE), { once: true });
    });
  }

  #show(frontend: CellFrontend, outcome: CellOutcome, executionCount: number): void {
    if (outcome.status === "error") {
      frontend.publish("error", { ename: outcome.name, evalue: outcome.message, traceback: outcome.traceback });
    } else if (outcome.result) {
      frontend.result(executionCount, outcome.result);
    }
  }
}

function failure(error: unknown): CellOutcome {
  const { name, message } = isError(error) ? describeError(error) : { name: "Uncaught", message: describe(error) };
  return { status: "error", name, message, traceback: describe(error).split("\n") };
}

/** What a cell's signal is aborted with. */
function interruption(): Error {
  const error = new Error("The cell was interrupted.");
  error.name = "Interrupted";
  error.stack = `${error.name}: ${error.message}`;
  return error;
}
