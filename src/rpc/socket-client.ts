/**
 * @file The client's end of a ZeroMQ connection to a runtime: a channel that notices when the other side is gone.
 *
 * An empty frame is a heartbeat: sent while the connection lasts, answered at once by a runtime that lives. This runs
 * in a thread of its own (socket-thread-main.ts), so a busy notebook cell never makes its connection look dead.
 */
import { setImmediate as turn } from "node:timers/promises";
import { within } from "../within.ts";
import type { Channel, Listener } from "./channel.ts";
import { decode, encode } from "./codec.ts";
import { type ClientMessage, type ServerMessage, serverMessage } from "./protocol.ts";
import { Dealer } from "./sockets.ts";

/** Heartbeats are sent this often, in milliseconds. */
export const BEAT_MS = 1000;
/** So many heartbeats without any sign of life mean that the other side is gone. */
export const MISSED_BEATS = 10;

/** How long a closed socket may take to send its last words, in milliseconds. */
const LINGER_MS = 200;
/** How long ZeroMQ may take after that until the socket is gone, in milliseconds. */
const CLOSING_MS = 700;
/** Turns of the event loop until the native parts of a closed socket are gone. */
const CLOSING_TURNS = 3;

export class SocketClient implements Channel<ClientMessage, ServerMessage> {
  readonly #socket: Dealer;
  readonly #beat: NodeJS.Timeout;
  #outbox: Promise<void> = Promise.resolve();
  #inbox: Promise<void> = Promise.resolve();
  readonly #watching: Promise<void>;
  #listener: Listener<ServerMessage> | undefined;
  #closing: Promise<void> | undefined;
  /** Why the address cannot even be tried. */
  #refusal: Error | undefined;
  #missed = 0;
  #connected = false;
  #closed = false;

  /** @param address a ZeroMQ address: "ipc:///path" or "tcp://host:port" */
  constructor(address: string) {
    this.#socket = new Dealer({ sendHighWaterMark: 0, receiveHighWaterMark: 0, linger: LINGER_MS });
    this.#watching = this.#watch();
    try {
      this.#socket.connect(address);
    } catch (error) {
      // Told to whoever listens: a constructor that throws would leave a socket that nobody closes, which aborts the process.
      this.#refusal = asError(error);
    }
    this.#beat = setInterval(() => this.#onBeat(), BEAT_MS);
  }

  send(message: ClientMessage): void {
    this.#write(encode(message));
  }

  open(listener: Listener<ServerMessage>): void {
    this.#listener = listener;
    this.#inbox = this.#receive(listener);
    if (this.#refusal) this.#fail(this.#refusal);
  }

  /** The thread lives as long as its connection does. */
  attend(): void {}

  /**
   * Settles when what was sent last ("bye") has left, the socket is closed, and its native parts have had their turns
   * to go: a thread that ends before aborts the process.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop();
    // ZeroMQ can leave a send waiting until something else happens on the socket; that must not keep us.
    await within(LINGER_MS, this.#outbox, () => undefined);
    this.#socket.close();
    await this.#inbox;
    // Its events are read to the last one, which says that the socket is gone. They must not be closed before: ZeroMQ
    // waits for a reader of each, for ever, in threads that serve all sockets of the process.
    await within(CLOSING_MS, this.#watching, () => undefined);
    for (let turns = 0; turns < CLOSING_TURNS; turns++) await turn();
  }

  /** Not by `events.on`: closing rejects the read that waits, which zeromq's emitter lets end this thread too early. */
  async #watch(): Promise<void> {
    try {
      for await (const { type } of this.#socket.events) {
        if (type === "connect") this.#connected = true;
        else if (type === "disconnect") this.#fail();
      }
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  async #receive(listener: Listener<ServerMessage>): Promise<void> {
    try {
      for await (const frames of this.#socket) {
        this.#missed = 0;
        if (this.#closed) return;
        if (frames.length === 1 && frames[0]?.length === 0) continue;
        listener.message(serverMessage(decode(frames)));
      }
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  /** Sends one after another: ZeroMQ takes no message while it is busy with one. */
  #write(frames: Uint8Array[]): void {
    if (this.#closed) return;
    this.#outbox = this.#outbox.then(() => this.#socket.send(frames)).catch((error: Error) => this.#fail(error));
  }

  /** Counts beats, not seconds: after the machine slept, the other side gets its chance to answer first. */
  #onBeat(): void {
    this.#missed++;
    if (this.#connected && this.#missed > MISSED_BEATS) this.#fail();
    else if (this.#connected) this.#write([new Uint8Array(0)]);
  }

  #fail(reason?: Error): void {
    if (this.#closed) return;
    this.#stop();
    this.#listener?.closed(reason);
  }

  #stop(): void {
    this.#closed = true;
    clearInterval(this.#beat);
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
