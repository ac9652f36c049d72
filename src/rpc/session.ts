/** @file One client's questions to an engine: answered under their ids, and given up when it cancels or leaves. */

import type { CallName, Calls, Engine, GradientInfo, StreamName } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { version } from "../version.ts";
import type { Channel } from "./channel.ts";
import {
  type CallMessage,
  type ClientMessage,
  type Hello,
  PROTOCOL,
  refusal,
  type ServerMessage,
  type StreamMessage,
  toWire,
} from "./protocol.ts";
import type { MessageFault } from "./read-message.ts";

export interface ServeOptions {
  /** Answers `status` questions; they are about the whole server, not about one client. */
  readonly status?: () => Promise<unknown>;
  /** Told once, when the client is gone and its work has been told to stop. */
  readonly onGone?: () => void;
}

/** What makes messages of what was sent, or says why it is none. */
export type ReadMessage = (given: unknown) => ClientMessage | MessageFault;

/** Serves one client until it leaves. The engine stays open. */
export function serveSession(
  channel: Channel<ServerMessage, ClientMessage>,
  engine: Engine,
  read: ReadMessage,
  options: ServeOptions = {},
): void {
  const session = new Session(channel, engine, read, options);
  channel.open({ message: (message) => session.receive(message), closed: () => session.end() });
}

/** What one client asked for and has not been answered yet. */
interface Job {
  readonly abort: AbortController;
  /** For streams: allows more events. */
  readonly grant?: (credit: number) => void;
}

type GradientsRef = Calls["releaseGradients"]["params"];

class Session {
  readonly #channel: Channel<ServerMessage, ClientMessage>;
  readonly #engine: Engine;
  readonly #read: ReadMessage;
  readonly #options: ServeOptions;
  readonly #jobs = new Map<number, Job>();
  /** Gradients this client holds in the engine, by model and handle. */
  readonly #gradients = new Map<string, GradientsRef>();
  #ended = false;

  constructor(
    channel: Channel<ServerMessage, ClientMessage>,
    engine: Engine,
    read: ReadMessage,
    options: ServeOptions,
  ) {
    this.#channel = channel;
    this.#engine = engine;
    this.#read = read;
    this.#options = options;
  }

  /** @param given whatever the other side sent: nothing is done with it before it was checked */
  receive(given: unknown): void {
    const message = this.#read(given);
    if ("fault" in message) this.#refuse(message);
    else if ("id" in message && this.#isTaken(message)) {
      const why = `id ${message.id}: expected one that is not in use, got that of a question under way. Count ids up.`;
      this.#refuse({ fault: new GlmError("option-invalid", why) });
    } else this.#take(message);
  }

  #take(message: ClientMessage): void {
    if (message.type === "hello") this.#welcome(message);
    else if (message.type === "call") this.#run(message.id, (abort) => this.#call(message, abort));
    else if (message.type === "stream") this.#stream(message);
    else if (message.type === "status") this.#run(message.id, async () => this.#options.status?.());
    else if (message.type === "more") this.#jobs.get(message.id)?.grant?.(message.credit);
    else if (message.type === "cancel") this.#jobs.get(message.id)?.abort.abort();
    else {
      this.#channel.close();
      this.end();
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const job of this.#jobs.values()) job.abort.abort();
    for (const held of this.#gradients.values()) this.#release(held);
    this.#options.onGone?.();
  }

  #welcome(client: Hello): void {
    const fault = refusal(client);
    if (fault) this.#refuse({ fault });
    else this.#send({ type: "welcome", protocol: PROTOCOL, version, pid: process.pid });
  }

  #isTaken(message: ClientMessage): boolean {
    const asks = message.type === "call" || message.type === "stream" || message.type === "status";
    return asks && this.#jobs.has(message.id);
  }

  /** Answers what has an id. Whoever sends anything else that is no message is not served any longer. */
  #refuse({ fault, id }: MessageFault): void {
    const error = toWire(fault);
    if (id !== undefined && !this.#jobs.has(id)) {
      this.#send({ type: "error", id, error });
      return;
    }
    this.#send({ type: "refused", error });
    this.#channel.close();
    this.end();
  }

  /** Runs a question to its one answer. */
  #run(id: number, work: (abort: AbortController) => Promise<unknown>): void {
    const abort = new AbortController();
    this.#jobs.set(id, { abort });
    work(abort)
      .then((value) => this.#send({ type: "result", id, value }))
      .catch((error: unknown) => this.#send({ type: "error", id, error: toWire(error) }))
      .finally(() => this.#jobs.delete(id));
  }

  async #call(message: CallMessage, { signal }: AbortController): Promise<unknown> {
    const result: unknown = await ask(this.#engine, message, signal);
    this.#noteGradients(message, result, signal);
    return result;
  }

  /** Remembers which gradients the client holds, so that they do not outlive it. */
  #noteGradients(message: CallMessage, result: unknown, { aborted }: AbortSignal): void {
    const forget = (model: string, handle: number): boolean => this.#gradients.delete(`${model} ${handle}`);
    if (message.method === "releaseGradients") forget(message.params.model, message.params.handle);
    if (message.method === "optimizerStep")
      for (const handle of message.params.handles) forget(message.params.model, handle);
    if (message.method !== "gradients") return;
    const held = { model: message.params.model, handle: (result as GradientInfo).handle };
    if (aborted) this.#release(held);
    else this.#gradients.set(`${held.model} ${held.handle}`, held);
  }

  #release(held: GradientsRef): void {
    this.#engine.call("releaseGradients", held).catch(() => undefined);
  }

  #stream<M extends StreamName>(message: StreamMessage<M>): void {
    const { id } = message;
    const abort = new AbortController();
    const credit = new Credit(message.credit, abort.signal);
    this.#jobs.set(id, { abort, grant: (more) => credit.grant(more) });
    this.#events(message, abort.signal, credit)
      .then(() => this.#send({ type: "end", id }))
      .catch((error: unknown) => this.#send({ type: "error", id, error: toWire(error) }))
      .finally(() => this.#jobs.delete(id));
  }

  /** The engine is asked for an event only when the client has room for it: a paused reader pauses the work. */
  async #events<M extends StreamName>(message: StreamMessage<M>, signal: AbortSignal, credit: Credit): Promise<void> {
    const events = this.#engine.stream(message.method, message.params, { signal });
    try {
      while (await credit.take()) {
        const { done, value } = await events.next();
        if (done) return;
        this.#send({ type: "event", id: message.id, value });
      }
    } finally {
      await events.return();
    }
  }

  #send(message: ServerMessage): void {
    if (!this.#ended) this.#channel.send(message);
  }
}

function ask<M extends CallName>(
  engine: Engine,
  { method, params }: CallMessage<M>,
  signal: AbortSignal,
): Promise<unknown> {
  return engine.call(method, params, { signal });
}

/** How many events a client has room for. */
class Credit {
  readonly #signal: AbortSignal;
  #left: number;
  #wake: (() => void) | undefined;

  constructor(left: number, signal: AbortSignal) {
    this.#left = left;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  grant(more: number): void {
    this.#left += more;
    this.#wake?.();
  }

  /** Waits for room; false when the stream was cancelled meanwhile. */
  async take(): Promise<boolean> {
    while (this.#left === 0 && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#left--;
    return !this.#signal.aborted;
  }
}
