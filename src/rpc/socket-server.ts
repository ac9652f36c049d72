/** @file The runtime's ZeroMQ socket: one channel for every client that greets, ended when the client is gone. */
import { GlmError } from "../errors.ts";
import { within } from "../within.ts";
import type { Channel, Listener } from "./channel.ts";
import { decode, encode } from "./codec.ts";
import { type ClientMessage, type ServerMessage, toWire } from "./protocol.ts";
import { readMessage } from "./read-message.ts";
import { BEAT_MS, MISSED_BEATS } from "./socket-client.ts";
import { Router } from "./sockets.ts";

/** How long the last messages may take to leave, in milliseconds. */
const FAREWELL_MS = 1000;
/** Bytes of a frame for which room is made: the largest tensor of a model has 2.5 GB. */
const LARGEST_FRAME = 2 ** 32;
const HEARTBEAT = new Uint8Array(0);
const ENDS = "this runtime is about to end";
/** ZeroMQ says that somebody left, not who. A beat to everybody finds out, but not always at once. */
const PROBES_MS = [0, 50, 500];

export class SocketServer {
  readonly #socket: Router;
  readonly #accept: (client: Channel<ServerMessage, ClientMessage>) => void;
  readonly #clients = new Map<string, ClientChannel>();
  readonly #beat: NodeJS.Timeout;
  #outbox: Promise<void> = Promise.resolve();
  #closing = false;

  /**
   * Binds a ZeroMQ address. Whoever calls this holds the lock of the address: ZeroMQ takes a live one over silently.
   * @param accept gets a channel for each client; its first message is the client's greeting
   */
  static async bind(
    address: string,
    accept: (client: Channel<ServerMessage, ClientMessage>) => void,
  ): Promise<SocketServer> {
    // `mandatory` makes a message to a client that is gone an error instead of nothing.
    const waters = { sendHighWaterMark: 0, receiveHighWaterMark: 0 };
    const socket = new Router({ mandatory: true, ...waters, linger: 500, maxMessageSize: LARGEST_FRAME });
    await socket.bind(address);
    return new SocketServer(socket, accept);
  }

  private constructor(socket: Router, accept: (client: Channel<ServerMessage, ClientMessage>) => void) {
    this.#socket = socket;
    this.#accept = accept;
    socket.events.on("disconnect", () => {
      for (const delay of PROBES_MS) setTimeout(() => this.#probe(), delay).unref();
    });
    this.#beat = setInterval(() => this.#countBeats(), BEAT_MS);
    void this.#receive();
  }

  /** Ends all channels and the socket; what was sent still leaves, and last of all that nothing more is answered. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#beat);
    for (const [key, client] of [...this.#clients]) {
      client.close();
      this.#refuse(Buffer.from(key, "hex"), ENDS);
    }
    // ZeroMQ can leave a send waiting until something else happens on the socket; that must not keep us.
    await within(FAREWELL_MS, this.#outbox, () => undefined);
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    for await (const [identity, ...frames] of this.#socket) {
      if (identity === undefined) continue;
      if (this.#closing) {
        this.#refuse(identity, ENDS);
        continue;
      }
      try {
        this.#onFrames(identity, frames);
      } catch (error) {
        // One client's message must not end what serves the others.
        this.#refuse(identity, `a message could not be read: ${error instanceof Error ? error.message : error}`);
        this.#clients.get(identity.toString("hex"))?.fail();
      }
    }
  }

  #onFrames(identity: Buffer, frames: Buffer[]): void {
    const key = identity.toString("hex");
    const client = this.#clients.get(key);
    if (client) client.missed = 0;
    if (frames.length === 1 && frames[0]?.length === 0) this.#onBeat(identity, client);
    else this.#onMessage(key, identity, client, decode(frames));
  }

  #onBeat(identity: Buffer, client: ClientChannel | undefined): void {
    if (client) this.#write(identity, [HEARTBEAT]);
    else
      this.#refuse(
        identity,
        "this runtime does not know you: it was started anew, or had not heard of you for too long",
      );
  }

  /** A known client's messages are checked where they are answered; of others, only a greeting is heard. */
  #onMessage(key: string, identity: Buffer, known: ClientChannel | undefined, given: unknown): void {
    if (known) {
      known.deliver(given as ClientMessage);
      return;
    }
    const message = readMessage(given);
    if ("fault" in message) this.#refuse(identity, message.fault.message);
    else if (message.type === "hello") this.#welcome(key, identity).deliver(message);
    else if (message.type !== "bye") this.#onBeat(identity, undefined);
  }

  #welcome(key: string, identity: Buffer): ClientChannel {
    const client = new ClientChannel(
      (out) => this.#write(identity, out),
      () => this.#clients.delete(key),
    );
    this.#clients.set(key, client);
    this.#accept(client);
    return client;
  }

  #refuse(identity: Buffer, why: string): void {
    const refused: ServerMessage = { type: "refused", error: toWire(new GlmError("runtime-lost", why)) };
    this.#write(identity, encode(refused));
  }

  /** Sends one after another: ZeroMQ takes no message while it is busy with one. */
  #write(identity: Buffer, frames: readonly Uint8Array[]): void {
    this.#outbox = this.#outbox.then(() =>
      this.#socket.send([identity, ...frames]).catch(() => this.#clients.get(identity.toString("hex"))?.fail()),
    );
  }

  #probe(): void {
    // Sending to a client that is gone fails, and that ends its channel.
    for (const key of this.#clients.keys()) this.#write(Buffer.from(key, "hex"), [HEARTBEAT]);
  }

  #countBeats(): void {
    for (const client of [...this.#clients.values()]) {
      if (++client.missed > MISSED_BEATS) client.fail();
    }
  }
}

/** What one client sees of the socket. */
class ClientChannel implements Channel<ServerMessage, ClientMessage> {
  /** Beats since the client was last heard. */
  missed = 0;
  readonly #write: (frames: Uint8Array[]) => void;
  readonly #forget: () => void;
  #listener: Listener<ClientMessage> | undefined;
  #closed = false;

  constructor(write: (frames: Uint8Array[]) => void, forget: () => void) {
    this.#write = write;
    this.#forget = forget;
  }

  send(message: ServerMessage): void {
    if (!this.#closed) this.#write(encode(message));
  }

  open(listener: Listener<ClientMessage>): void {
    this.#listener = listener;
  }

  attend(): void {}

  deliver(message: ClientMessage): void {
    if (!this.#closed) this.#listener?.message(message);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
  }

  fail(): void {
    if (this.#closed) return;
    this.close();
    this.#listener?.closed();
  }
}
