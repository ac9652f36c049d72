/** @file Channels: two ends that send each other messages in order, whatever lies between them; here, threads. */
import { compact } from "./plain.ts";

/** One end of a channel. Nothing here blocks. */
export interface Channel<Out, In> {
  /**
   * Sends one message; after the end of the channel it goes nowhere.
   * @throws when the message is not plain data
   */
  send(message: Out): void;
  /** Starts handing over what arrives, from the first message on. Call it once. */
  open(listener: Listener<In>): void;
  /** While true, the channel keeps its process alive: something is awaited from the other side. */
  attend(waiting: boolean): void;
  /** Ends the channel here; the other side hears of it. */
  close(): void;
}

export interface Listener<In> {
  message(message: In): void;
  /** The other side is gone: nothing more will come. Said once, and not after `close`. */
  closed(reason?: Error): void;
}

/** What MessagePort, Worker and parentPort have in common. */
export interface PortLike {
  postMessage(value: unknown): void;
  on(event: "message", listener: (value: unknown) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  ref(): unknown;
  unref(): unknown;
}

/** A channel between threads. Messages pass as structured clones. */
export class PortChannel<Out, In> implements Channel<Out, In> {
  readonly #port: PortLike;
  readonly #end: () => void;
  #listener: Listener<In> | undefined;
  #closed = false;

  /** @param end what closes the port for good */
  constructor(port: PortLike, end: () => void) {
    this.#port = port;
    this.#end = end;
  }

  send(message: Out): void {
    if (!this.#closed) this.#port.postMessage(compact(message));
  }

  open(listener: Listener<In>): void {
    this.#listener = listener;
    this.#port.on("message", (message) => {
      if (!this.#closed) listener.message(message as In);
    });
    this.#port.on("close", () => this.fail());
    this.attend(false);
  }

  attend(waiting: boolean): void {
    if (waiting) this.#port.ref();
    else this.#port.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end();
  }

  /** Ends the channel because the other side is gone; for whoever watches the other side. */
  fail(reason?: Error): void {
    if (this.#closed) return;
    this.close();
    this.#listener?.closed(reason);
  }
}
