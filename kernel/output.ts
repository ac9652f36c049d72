/** @file Merges a cell's prints: the first goes out at once, what follows is gathered, so that a print loop is few messages. */
import type { Header } from "./wire.ts";

export type StreamName = "stdout" | "stderr";
export type Emit = (parent: Header, name: StreamName, text: string) => void;

/** Milliseconds between two messages of one cell: too short to see, and far below the front ends' limit on messages. */
const INTERVAL = 60;
/** UTF-16 units per message. The Jupyter server drops one of 4 MB; a unit is at most 3 bytes of UTF-8. */
const MESSAGE_UNITS = 500_000;
/** So often may stdout and stderr alternate in one interval; from then on each is gathered for itself. */
const MAX_SEGMENTS = 64;

interface Pending {
  readonly parent: Header;
  segments: { name: StreamName; texts: string[] }[];
  /** Milliseconds, by the monotonic clock. */
  sentAt: number;
  timer?: NodeJS.Timeout;
}

/** Lives in the server thread, so its timers run also while a cell blocks its own thread. */
export class OutputMerger {
  readonly #emit: Emit;
  readonly #cells = new Map<string, Pending>();

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** Takes text of the cell that `parent` asked for. */
  write(parent: Header, name: StreamName, text: string): void {
    if (text === "") return;
    const cell = this.#cell(parent);
    append(cell, name, text);
    if (cell.timer) return;
    const rest = cell.sentAt + INTERVAL - performance.now();
    if (rest <= 0) this.#send(cell);
    else cell.timer = setTimeout(() => this.#send(cell), rest);
  }

  /** Sends what is pending: before anything else of the same cell goes out. */
  flush(parent: Header): void {
    const cell = this.#cells.get(parent.msg_id);
    if (cell) this.#send(cell);
  }

  flushAll(): void {
    for (const cell of this.#cells.values()) this.#send(cell);
  }

  /** Forgets a cell that has ended; late output makes it known again. */
  end(parent: Header): void {
    this.flush(parent);
    this.#cells.delete(parent.msg_id);
  }

  #cell(parent: Header): Pending {
    const known = this.#cells.get(parent.msg_id);
    if (known) return known;
    const cell: Pending = { parent, segments: [], sentAt: Number.NEGATIVE_INFINITY };
    this.#cells.set(parent.msg_id, cell);
    return cell;
  }

  #send(cell: Pending): void {
    clearTimeout(cell.timer);
    delete cell.timer;
    if (cell.segments.length === 0) return;
    const segments = cell.segments;
    cell.segments = [];
    cell.sentAt = performance.now();
    for (const { name, texts } of segments) {
      for (const piece of pieces(texts.join(""))) this.#emit(cell.parent, name, piece);
    }
  }
}

function append(cell: Pending, name: StreamName, text: string): void {
  const last = cell.segments.at(-1);
  const target = last?.name === name || cell.segments.length < MAX_SEGMENTS ? last : cell.segments.at(-2);
  if (target?.name === name) target.texts.push(text);
  else cell.segments.push({ name, texts: [text] });
}

/** Cuts text into parts of at most MESSAGE_UNITS, never through a character. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + MESSAGE_UNITS, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end--;
    yield text.slice(at, end);
    at = end;
  }
}
