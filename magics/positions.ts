/** @file Builds the expanded cell piece by piece and maps offsets between it and the cell as written. */
import type { Code } from "./code.ts";

interface Segment {
  readonly expanded: number;
  readonly expandedLength: number;
  readonly written: number;
  readonly writtenLength: number;
  /** Copied text maps offset by offset; generated text maps to the start of what it stands for. */
  readonly copied: boolean;
}

export class ExpandedCell {
  readonly #source: string;
  readonly #segments: Segment[] = [];
  #text = "";

  constructor(source: string) {
    this.#source = source;
  }

  get text(): string {
    return this.#text;
  }

  /** Takes over the written text from `from` up to `to`. */
  copy(from: number, to: number): void {
    if (to > from) this.#add(this.#source.slice(from, to), from, to - from, true);
  }

  /** Adds generated text that stands for the written text from `from` up to `to`. */
  emit(text: string, from: number, to: number = from): void {
    if (text !== "" || to > from) this.#add(text, from, to - from, false);
  }

  /** Adds the code of a magic that is written from `from` up to `to`. */
  emitCode(pieces: Code, from: number, to: number): void {
    this.emit("", from, to);
    for (const piece of pieces) {
      if (typeof piece === "string") this.emit(piece, from);
      else if ("text" in piece) this.#emitFor(piece.text, piece.at);
      else this.copy(piece.from, piece.to);
    }
  }

  /** Generated text that is what was written maps character by character. */
  #emitFor(text: string, at: number): void {
    if (this.#source.startsWith(text, at)) this.copy(at, at + text.length);
    else this.emit(text, at);
  }

  /** The written offset that an offset of the expanded text stands for. */
  toWritten(offset: number): number {
    const found = this.#find((segment) => [segment.expanded, segment.expandedLength], offset);
    if (!found) return Math.min(offset, this.#source.length);
    return found.copied ? found.written + offset - found.expanded : found.written;
  }

  /** Where a written offset went; offsets of a magic without a counterpart go to the start of its code. */
  toExpanded(offset: number): number {
    const found = this.#find((segment) => [segment.written, segment.writtenLength], offset);
    if (!found) return Math.min(offset, this.#text.length);
    return found.copied ? found.expanded + offset - found.written : found.expanded;
  }

  #add(text: string, written: number, writtenLength: number, copied: boolean): void {
    const expanded = this.#text.length;
    this.#segments.push({ expanded, expandedLength: text.length, written, writtenLength, copied });
    this.#text += text;
  }

  /** The segment that holds the offset, its ends included; copied ones first, then the one that starts nearest. */
  #find(range: (segment: Segment) => readonly [number, number], offset: number): Segment | undefined {
    let found: Segment | undefined;
    for (const segment of this.#segments) {
      const [start, length] = range(segment);
      if (offset < start || offset > start + length) continue;
      if (!found || segment.copied || (!found.copied && length > 0)) found = segment;
    }
    return found;
  }
}
