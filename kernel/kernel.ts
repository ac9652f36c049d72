/**
 * @file The cell thread's dispatch: requests in, replies out. Cells run one after the other; what only asks (complete,
 * inspect, history, ...) is answered at once, also while a cell waits for something.
 */
import { setTimeout } from "node:timers/promises";
import type { Frontend } from "../src/ambient.ts";
import { toPoints, toUnits } from "./cursor.ts";
import { type Ended, Execution } from "./execution.ts";
import { CellFrontend, type Page } from "./frontend.ts";
import { History } from "./history.ts";
import { InputDesk } from "./input.ts";
import type { Language } from "./language.ts";
import type { ToServer } from "./link.ts";
import {
  type ErrorReply,
  errorReply,
  isRequestType,
  type Replies,
  type Requests,
  type RequestType,
  readRequest,
  replyType,
} from "./requests.ts";
import { toJson } from "./text.ts";
import type { Request } from "./wire.ts";

/** Milliseconds that an error's reply is held back: cells sent before anyone knew of the error arrive, and are aborted. */
const ERROR_HOLD = 40;

export interface KernelOptions {
  /** Requests wait until the language has loaded. */
  readonly language: Promise<Language>;
  /** Sends to the server thread. */
  post(message: ToServer): void;
}

type Queries = Exclude<RequestType, "execute_request">;
type Handlers = { readonly [T in Queries]: (language: Language, asked: Requests[T]) => Replies[T] };

export class Kernel {
  readonly #options: KernelOptions;
  readonly #history = new History();
  readonly #input: InputDesk;
  #queue: Request[] = [];
  #draining = false;
  #running: Execution | undefined;
  #lastFrontend: Frontend | undefined;
  #count = 0;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.#input = new InputDesk(options.post);
  }

  /** The front end of the cell that runs, or ran last: for output that belongs to no cell. */
  get frontend(): Frontend | undefined {
    return this.#lastFrontend;
  }

  receive(request: Request): void {
    const type = request.header.msg_type;
    if (type === "execute_request") {
      this.#queue.push(request);
      if (!this.#draining) void this.#drain();
    } else if (isRequestType(type)) {
      void this.#query(type as Queries, request);
    } else {
      this.#withStatus(request, () => this.#comm(request));
    }
  }

  /** Takes the user's answer to a question of the running cell. */
  answer(value: string): void {
    this.#input.answer(value);
  }

  /**
   * Ends the running cell; those that wait are aborted.
   * @param id the same as long as it is the same interrupt
   * @returns when the cell has ended, or ends in order: then another interrupt ends it at once
   */
  async interrupt(id: number): Promise<void> {
    const cell = this.#running;
    await cell?.interrupt(id);
    // Now, and not at its end: what is sent from now on is meant to come after it.
    if (cell?.endsInOrder) this.#abortQueue();
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        if (await this.#execute(next)) this.#abortQueue();
      }
    } finally {
      this.#draining = false;
    }
  }

  /** True when the cells that wait must not run. */
  async #execute(request: Request): Promise<boolean> {
    const { post } = this.#options;
    post({ kind: "status", state: "busy", parent: request.header });
    let abort = false;
    try {
      const cell = readRequest("execute_request", request.content);
      const execution = new Execution(request, cell, post);
      this.#running = execution;
      const { executionCount, ...ended } = await this.#run(execution, cell);
      this.#running = undefined;
      abort =
        !execution.endsInOrder && (execution.interrupted || (ended.outcome.status === "error" && cell.stopOnError));
      if (abort) await setTimeout(ERROR_HOLD);
      this.#reply(request, "execute_request", executeReply(ended, executionCount, execution.pages));
    } catch (error) {
      this.#running = undefined;
      this.#reply(request, "execute_request", { ...errorReply(error), execution_count: this.#count });
    } finally {
      post({ kind: "status", state: "idle", parent: request.header });
    }
    return abort;
  }

  async #run(execution: Execution, cell: Requests["execute_request"]): Promise<Ended & { executionCount: number }> {
    const { language } = this.#options;
    const stored = cell.storeHistory && cell.code.trim() !== "";
    const executionCount = this.#count + 1;
    if (stored) this.#count = executionCount;
    const remember = stored ? this.#history.add(executionCount, cell.code) : undefined;
    this.#lastFrontend = execution.frontend;
    if (execution.frontend instanceof CellFrontend) {
      execution.frontend.publish("execute_input", { code: cell.code, execution_count: executionCount });
    }
    const ended = await execution.run({ language: await language, input: this.#input, executionCount });
    const { outcome } = ended;
    if (outcome.status === "ok" && outcome.result) remember?.(String(outcome.result["text/plain"] ?? ""));
    return { ...ended, executionCount };
  }

  #abortQueue(): void {
    const aborted = this.#queue;
    this.#queue = [];
    for (const request of aborted) {
      this.#withStatus(request, () => {
        const content = { status: "aborted", execution_count: this.#count };
        this.#sendReply(request, "execute_reply", content, { status: "aborted" });
      });
    }
  }

  async #query<T extends Queries>(type: T, request: Request): Promise<void> {
    this.#options.post({ kind: "status", state: "busy", parent: request.header });
    try {
      const language = await this.#options.language;
      this.#reply(request, type, this.#handlers[type](language, readRequest(type, request.content)));
    } catch (error) {
      this.#reply(request, type, errorReply(error));
    }
    this.#options.post({ kind: "status", state: "idle", parent: request.header });
  }

  readonly #handlers: Handlers = {
    complete_request: (language, { code, cursor }) => {
      const { matches, start, end } = language.complete(code, toUnits(code, cursor));
      return {
        status: "ok",
        matches,
        cursor_start: toPoints(code, start),
        cursor_end: toPoints(code, end),
        metadata: {},
      };
    },
    inspect_request: (language, { code, cursor }) => {
      const data = language.inspect(code, toUnits(code, cursor));
      return { status: "ok", found: data !== undefined, data: data ?? {}, metadata: {} };
    },
    is_complete_request: (language, { code }) => language.isComplete(code),
    history_request: (_language, asked) => ({ status: "ok", history: this.#history.find(asked) }),
    comm_info_request: () => ({ status: "ok", comms: {} }),
  };

  /** No library opens comms here, so a front end that opens one is told at once that there is nobody to talk to. */
  #comm(request: Request): void {
    const { comm_id } = request.content;
    if (request.header.msg_type !== "comm_open" || typeof comm_id !== "string") return;
    new CellFrontend(this.#options.post, request.header).publish("comm_close", { comm_id, data: {} });
  }

  #withStatus(request: Request, body: () => void): void {
    this.#options.post({ kind: "status", state: "busy", parent: request.header });
    body();
    this.#options.post({ kind: "status", state: "idle", parent: request.header });
  }

  #reply<T extends RequestType>(request: Request, type: T, content: Replies[T] | ErrorReply): void {
    this.#sendReply(request, replyType(type), content, { status: content.status });
  }

  #sendReply({ identities, header: parent }: Request, type: string, content: object, metadata: object): void {
    const message = { identities, type, parent, content: toJson(content), metadata: toJson(metadata) };
    this.#options.post({ kind: "send", channel: "shell", message });
  }
}

function executeReply(
  { outcome, evaluated }: Ended,
  executionCount: number,
  payload: readonly Page[],
): Replies["execute_request"] | ErrorReply {
  if (outcome.status === "ok")
    return { status: "ok", execution_count: executionCount, payload, user_expressions: evaluated };
  const { name, message, traceback } = outcome;
  return { status: "error", execution_count: executionCount, ename: name, evalue: message, traceback };
}
