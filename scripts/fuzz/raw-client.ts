/** @file A client of a runtime that sends what it is told, byte for byte, and hears what it is answered. */
import { setTimeout as sleep } from "node:timers/promises";
import { decode, encode } from "../../src/rpc/codec.ts";
import { hello, type ServerMessage } from "../../src/rpc/protocol.ts";
import { Dealer } from "../../src/rpc/sockets.ts";

export class RawClient {
  readonly #socket = new Dealer({ linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  readonly heard: ServerMessage[] = [];

  constructor(address: string) {
    this.#socket.connect(address);
    void this.#listen();
  }

  async greet(): Promise<void> {
    await this.send(hello());
    await this.hears(({ type }) => type === "welcome");
  }

  send(message: unknown): Promise<void> {
    return this.sendFrames(encode(message));
  }

  async sendFrames(frames: readonly Uint8Array[]): Promise<void> {
    await this.#socket.send([...frames]);
  }

  /** The first message of a kind, which is waited for. */
  async hears(is: (message: ServerMessage) => boolean, patience = 20_000): Promise<ServerMessage> {
    for (let waited = 0; waited < patience; waited += 1) {
      const found = this.heard.find(is);
      if (found) return found;
      await sleep(1);
    }
    throw new Error(`not heard within ${patience / 1000} s; heard ${JSON.stringify(this.heard).slice(0, 500)}`);
  }

  /** What ends the question of an id, which is waited for so many milliseconds. */
  answer(id: number, patience?: number): Promise<ServerMessage> {
    return this.hears(
      (message) => message.type === "refused" || (message.type !== "event" && "id" in message && message.id === id),
      patience,
    );
  }

  close(): void {
    this.#socket.close();
  }

  async #listen(): Promise<void> {
    for await (const frames of this.#socket) {
      if (frames.length === 1 && frames[0]?.length === 0) continue;
      this.heard.push(decode(frames) as ServerMessage);
    }
  }
}
