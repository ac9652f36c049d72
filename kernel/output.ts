/** @file Merges a cell's prints: the first goes out at once, what follows is gathered, so that a print loop is few messages. */
import { ALLOWED, Allowance } from "./allowance.ts";
import { endsWithinPair, wellFormed } from "./text.ts";
import type { Header } from "./wire.ts";

export type StreamName = "stdout" | "stderr";
export type Emit = (parent: Header, name: StreamName, text: string) => void;

/** Milliseconds between two messages of one cell: too short to see, and far below the front ends' limit on messages. */
const INTERVAL = 60;
/** UTF-16 units per message. The Jupyter server drops one of 4 MB; a unit is at most 3 bytes of UTF-8. */
const MESSAGE_UNITS = 500_000;
/** What a display costs beside its data. */
const DISPLAY_UNITS = 500;
/**
 * So often may stdout and stderr alternate in one interval, in any case and as long as the cell did so seldom before;
 * from then on each is gathered for itself. The Jupyter server lets 1000 messages a second through, in the mean of three.
 */
const SEGMENTS = { always: 16, atMost: 1000, aSecond: 200 } as const;

interface Pending {
  readonly parent: Header;
  readonly allowance: Allowance;
  segments: { name: StreamName; texts: string[] }[];
  /** stdout and stderr alternated too often: the order between them is given up until the next message. */
  isGathering: boolean;
  /** Segments that may go out beyond those that always may, when it was last sent. */
  spare: number;
  /** Half a character at the end of each stream, until the other half comes. */
  readonly halves: Record<StreamName, string>;
  /** What did not pass since the cell's allowance was used up. */
  leftOut: { units: number; displays: number } | undefined;
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
    const passing = wholeCharacters(text, cell.allowance.take(text.length));
    if (passing > 0) this.#append(cell, name, passing < text.length ? text.slice(0, passing) : text);
    if (passing < text.length) this.#leaveOut(cell).units += text.length - passing;
  }

  /** May a display of this size go out? One that may not is counted. */
  admits(parent: Header, units: number): boolean {
    const cell = this.#cell(parent);
    const whole = units + DISPLAY_UNITS;
    if (cell.allowance.take(whole, true) === whole) return true;
    this.#leaveOut(cell).displays++;
    return false;
  }

  /** Sends what is pending: before anything else of the same cell goes out. */
  flush(parent: Header): void {
    const cell = this.#cells.get(parent.msg_id);
    if (cell) this.#send(cell);
  }

  flushAll(): void {
    for (const cell of this.#cells.values()) this.#finish(cell);
  }

  /** Forgets a cell that has ended; late output makes it known again. */
  end(parent: Header): void {
    const cell = this.#cells.get(parent.msg_id);
    if (cell) this.#finish(cell);
    this.#cells.delete(parent.msg_id);
  }

  #cell(parent: Header): Pending {
    const known = this.#cells.get(parent.msg_id);
    if (known) return known;
    const cell: Pending = {
      parent,
      allowance: new Allowance(),
      segments: [],
      isGathering: false,
      spare: SEGMENTS.atMost,
      halves: { stdout: "", stderr: "" },
      leftOut: undefined,
      sentAt: Number.NEGATIVE_INFINITY,
    };
    this.#cells.set(parent.msg_id, cell);
    return cell;
  }

  #append(cell: Pending, name: StreamName, text: string): void {
    tellLeftOut(cell);
    if (cell.halves[name] !== "" || endsWithinPair(text)) {
      const whole = cell.halves[name] + text;
      const end = endsWithinPair(whole) ? whole.length - 1 : whole.length;
      cell.halves[name] = whole.slice(end);
      if (end === 0) return;
      append(cell, name, whole.slice(0, end));
    } else append(cell, name, text);
    this.#schedule(cell);
  }

  /** The first of what is left out says so at once. */
  #leaveOut(cell: Pending): { units: number; displays: number } {
    if (!cell.leftOut) {
      cell.leftOut = { units: 0, displays: 0 };
      append(cell, "stderr", leavingOut());
      this.#schedule(cell);
    }
    return cell.leftOut;
  }

  #schedule(cell: Pending): void {
    if (cell.timer) return;
    const rest = cell.sentAt + INTERVAL - performance.now();
    if (rest <= 0) this.#send(cell);
    else cell.timer = setTimeout(() => this.#send(cell), rest);
  }

  #finish(cell: Pending): void {
    tellLeftOut(cell);
    for (const name of ["stdout", "stderr"] as const) {
      if (cell.halves[name] !== "") append(cell, name, wellFormed(cell.halves[name]));
      cell.halves[name] = "";
    }
    this.#send(cell);
  }

  #send(cell: Pending): void {
    clearTimeout(cell.timer);
    delete cell.timer;
    if (cell.segments.length === 0) return;
    const segments = cell.segments;
    cell.spare = spareSegments(cell) - Math.max(0, segments.length - SEGMENTS.always);
    cell.segments = [];
    cell.isGathering = false;
    cell.sentAt = performance.now();
    for (const { name, texts } of segments) {
      for (const piece of pieces(texts.join(""))) this.#emit(cell.parent, name, piece);
    }
  }
}

function append(cell: Pending, name: StreamName, text: string): void {
  const last = cell.segments.at(-1);
  if (last?.name === name) {
    last.texts.push(text);
    return;
  }
  if (last && !cell.isGathering && cell.segments.length >= SEGMENTS.always + spareSegments(cell)) gather(cell);
  // The last two are of the two streams then, in either order.
  const target = cell.isGathering ? cell.segments.slice(-2).find((segment) => segment.name === name) : undefined;
  if (target) target.texts.push(text);
  else cell.segments.push({ name, texts: [text] });
}

/** How many segments may go out now beyond those that always may. */
function spareSegments({ spare, sentAt }: Pending): number {
  const since = performance.now() - sentAt;
  return Math.max(0, Math.floor(Math.min(SEGMENTS.atMost, spare + (since / 1000) * SEGMENTS.aSecond)));
}

/** What is pending beyond the segments that always may go out becomes one segment for each stream. */
function gather(cell: Pending): void {
  cell.isGathering = true;
  const surplus = cell.segments.splice(SEGMENTS.always);
  for (const name of new Set(surplus.map((segment) => segment.name))) {
    const texts = surplus.filter((segment) => segment.name === name).flatMap((segment) => segment.texts);
    cell.segments.push({ name, texts });
  }
}

function leavingOut(): string {
  const [atOnce, aSecond] = [ALLOWED.atOnce, ALLOWED.aSecond].map((units) => units.toLocaleString("en"));
  return (
    `\n[From here on output of this cell is left out: a cell may put out ${atOnce} characters at once and ${aSecond} ` +
    "a second. Print less, or write it to a file.]\n"
  );
}

function tellLeftOut(cell: Pending): void {
  if (!cell.leftOut) return;
  const { units, displays } = cell.leftOut;
  cell.leftOut = undefined;
  const what = [
    ...(units > 0 ? [`${units.toLocaleString("en")} characters`] : []),
    ...(displays > 0 ? [`${displays.toLocaleString("en")} displays`] : []),
  ];
  append(cell, "stderr", `[Left out here: ${what.join(" and ")}.]\n`);
}

/** Cuts text into parts of at most MESSAGE_UNITS, never through a character. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = wholeCharacters(text, at + MESSAGE_UNITS);
    yield text.slice(at, end);
    at = end;
  }
}

/** The nearest offset up to `end` that is not within a character. */
function wholeCharacters(text: string, end: number): number {
  if (end >= text.length) return text.length;
  return end > 0 && endsWithinPair(text.slice(end - 1, end)) ? end - 1 : end;
}
