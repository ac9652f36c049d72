/** @file Back-pressure between the kernel's two threads: a cell that prints faster than the server thread sends waits. */
import type { ToServer } from "./link.ts";

/** UTF-16 units that may be on their way: enough to keep the server thread busy. */
const LIMIT = 4_000_000;
/** What a message costs beside its text. */
const MESSAGE_UNITS = 200;
/** Milliseconds of one wait; between two of them the thread can be interrupted. */
const WAIT = 20;

/** Each thread makes one over the same memory. */
export class Pressure {
  readonly memory: SharedArrayBuffer;
  /** Units on their way, and whether the cell thread waits: to wake it costs more than to look. */
  readonly #underway: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#underway = new Int32Array(memory);
  }

  /** The cell thread has sent a message: waits while too much is on its way. */
  sent(message: ToServer): void {
    Atomics.add(this.#underway, 0, unitsOf(message));
    if (this.#load() <= LIMIT) return;
    Atomics.store(this.#underway, 1, 1);
    for (let units = this.#load(); units > LIMIT; units = this.#load()) Atomics.wait(this.#underway, 0, units, WAIT);
    Atomics.store(this.#underway, 1, 0);
  }

  /** The server thread has taken a message. */
  taken(message: ToServer): void {
    Atomics.sub(this.#underway, 0, unitsOf(message));
    if (Atomics.load(this.#underway, 1) === 1 && this.#load() <= LIMIT) Atomics.notify(this.#underway, 0);
  }

  #load(): number {
    return Atomics.load(this.#underway, 0);
  }
}

function unitsOf(message: ToServer): number {
  if (message.kind === "stream") return message.text.length + MESSAGE_UNITS;
  return message.kind === "send" ? message.message.content.length + MESSAGE_UNITS : MESSAGE_UNITS;
}
