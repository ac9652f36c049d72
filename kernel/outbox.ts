/** @file A socket's send queue: ZeroMQ's binding takes one blocked send at a time and rejects the next. */
import type { MessageLike } from "../src/rpc/sockets.ts";

interface Sender {
  send(frames: MessageLike[]): Promise<void>;
}

/** Sends in order and never drops; whoever posts need not wait. */
export class Outbox {
  readonly #socket: Sender;
  readonly #failed: (error: unknown) => void;
  #waiting: MessageLike[][] = [];
  #draining: Promise<void> | undefined;

  /** @param failed told when a message could not be sent (a front end that has gone); the next ones are still tried */
  constructor(socket: Sender, failed: (error: unknown) => void) {
    this.#socket = socket;
    this.#failed = failed;
  }

  post(frames: MessageLike[]): void {
    this.#waiting.push(frames);
    this.#draining ??= this.#drain();
  }

  /** Resolves once everything that was posted is with ZeroMQ. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      for (const frames of batch) await this.#socket.send(frames).catch(this.#failed);
    }
    this.#draining = undefined;
  }
}
