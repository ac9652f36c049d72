/** @file The client's side of the protocol: an engine that lives at the other end of a channel. */

import type { CallName, Calls, Engine, EngineOptions, StreamName, Streams } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { Inbox } from "./inbox.ts";
import {
  type CallMessage,
  type ClientMessage,
  fromWire,
  hello,
  type ServerMessage,
  type StreamMessage,
} from "./protocol.ts";

/**
 * How many events may be on their way before the reader has taken the last one. Training goes in step with its reader,
 * so that a loop that asks the model between two steps asks what it has just been told about.
 */
const ahead = { load: 64, generate: 64, losses: 64, fit: 0, watchRun: 64, teach: 0 } as const satisfies Record<
  StreamName,
  number
>;

/** The greeting's answer is awaited like that of a question. */
const GREETING = 0;

/** Who waits for the answers to one id. */
interface Waiting {
  event(value: unknown): void;
  end(value?: unknown): void;
  /** Takes what makes the error, so that it is made where it is thrown and its stack leads to whoever asked. */
  fail(failure: () => unknown): void;
}

interface Answer {
  readonly value?: unknown;
  readonly failure?: () => unknown;
}

/** A generator that is dropped half-read never runs its `finally`: this stops its work all the same. */
const dropped = new FinalizationRegistry<() => void>((stop) => stop());

export class RemoteEngine implements Engine {
  readonly #channel: Channel<ClientMessage, ServerMessage>;
  readonly #lostMessage: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = GREETING + 1;
  /** How many answers somebody awaits right now. */
  #awaited = 0;
  /** Makes the error that says why nothing can be asked any more. */
  #over: (() => Error) | undefined;

  /**
   * Greets the other side and waits for its welcome.
   * @param lost what to tell those who wait when the other side goes: what happened and what to do
   * @throws GlmError "runtime-unreachable" when the other side is of another version, "runtime-lost" when it goes away
   */
  static async connect(
    channel: Channel<ClientMessage, ServerMessage>,
    lost: string,
    signal?: AbortSignal,
  ): Promise<RemoteEngine> {
    const engine = new RemoteEngine(channel, lost);
    try {
      await engine.#ask(GREETING, hello(), signal);
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  private constructor(channel: Channel<ClientMessage, ServerMessage>, lost: string) {
    this.#channel = channel;
    this.#lostMessage = lost;
    channel.open({ message: (message) => this.#receive(message), closed: (reason) => this.#lose(reason) });
  }

  /** Whether nothing can be asked any more: the other side is gone, or this side has closed. */
  get lost(): boolean {
    return this.#over !== undefined;
  }

  async call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    { signal }: EngineOptions = {},
  ): Promise<Calls[M]["result"]> {
    const id = this.#nextId++;
    const message = { type: "call", id, method, params } as CallMessage;
    return (await this.#ask(id, message, signal)) as Calls[M]["result"];
  }

  /** What the server says about itself. */
  async status(signal?: AbortSignal): Promise<unknown> {
    const id = this.#nextId++;
    return this.#ask(id, { type: "status", id }, signal);
  }

  stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    { signal }: EngineOptions = {},
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    const id = this.#nextId++;
    const message = { type: "stream", id, method, params, credit: ahead[method] + 1 } as StreamMessage;
    const events = this.#events(message, signal) as AsyncGenerator<Streams[M]["event"], void, void>;
    dropped.register(events, () => this.#cancel(id));
    return events;
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#channel.send({ type: "bye" });
    this.#end(
      () => new GlmError("runtime-lost", "This connection to the model was closed (dispose). Load the model again."),
    );
    this.#channel.close();
  }

  /** Asks for one answer. An abort ends the waiting at once; the other side is told to stop. */
  async #ask(id: number, message: ClientMessage, signal: AbortSignal | undefined): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.#over) throw this.#over();
    let stop = (): void => undefined;
    const answer = new Promise<Answer>((resolve) => {
      stop = () => {
        resolve({ failure: () => signal?.reason });
        this.#cancel(id);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        event: () => undefined,
        end: (value) => resolve({ value }),
        fail: (failure) => resolve({ failure }),
      });
    });
    signal?.addEventListener("abort", stop, { once: true });
    try {
      this.#send(message, id);
      const { failure, value } = await this.#attend(answer);
      if (failure) throw failure();
      return value;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async *#events(message: StreamMessage, signal: AbortSignal | undefined): AsyncGenerator<unknown, void, void> {
    signal?.throwIfAborted();
    if (this.#over) throw this.#over();
    const { id, credit } = message;
    const inbox = new Inbox<unknown>();
    const stop = (): void => {
      inbox.abort(signal?.reason);
      this.#cancel(id);
      this.#waiting.delete(id);
    };
    this.#waiting.set(id, {
      event: (value) => inbox.add(value),
      end: () => inbox.end(),
      fail: (failure) => inbox.fail(failure),
    });
    signal?.addEventListener("abort", stop, { once: true });
    try {
      this.#send(message, id);
      for (let taken = 1; ; taken++) {
        const next = await this.#attend(inbox.next());
        if (!next) return;
        yield next.event;
        // Given back in halves of the window: one message for many events.
        if (taken >= credit / 2) {
          if (this.#waiting.has(id)) this.#channel.send({ type: "more", id, credit: taken });
          taken = 0;
        }
      }
    } finally {
      if (this.#waiting.has(id)) {
        // Left early: the work has really stopped when this returns, unless the caller is in a hurry.
        this.#cancel(id);
        await this.#attend(inbox.ended());
      }
      signal?.removeEventListener("abort", stop);
    }
  }

  #receive(message: ServerMessage): void {
    if (message.type === "welcome") this.#take(GREETING)?.end();
    else if (message.type === "refused") this.#lose(fromWire(message.error));
    else if (message.type === "event") this.#waiting.get(message.id)?.event(message.value);
    else if (message.type === "error") this.#take(message.id)?.fail(() => fromWire(message.error));
    else this.#take(message.id)?.end(message.type === "result" ? message.value : undefined);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /** Sends what is answered under `id`; nobody waits for the answer to something that could not be sent. */
  #send(message: ClientMessage, id: number): void {
    try {
      this.#channel.send(message);
    } catch (error) {
      this.#waiting.delete(id);
      throw error;
    }
  }

  #cancel(id: number): void {
    if (this.#waiting.has(id)) this.#channel.send({ type: "cancel", id });
  }

  /** Keeps the process alive for as long as something is awaited, and no longer. */
  async #attend<T>(answer: Promise<T>): Promise<T> {
    if (this.#awaited++ === 0) this.#channel.attend(true);
    try {
      return await answer;
    } finally {
      if (--this.#awaited === 0) this.#channel.attend(false);
    }
  }

  /** The other side is gone, for a reason of its own or without a word. */
  #lose(reason: Error | undefined): void {
    const known = reason instanceof GlmError && reason.code !== "runtime-lost" ? reason : undefined;
    this.#end(() => known ?? new GlmError("runtime-lost", this.#lostMessage, reason && { cause: reason }));
    this.#channel.close();
  }

  #end(failure: () => Error): void {
    if (this.#over) return;
    this.#over = failure;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) one.fail(failure);
  }
}
