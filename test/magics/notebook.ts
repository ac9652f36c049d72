/** @file A front end that keeps what a notebook would show. */
import type { Frontend, MimeBundle } from "../../src/ambient.ts";

export interface Shown {
  readonly kind: "display" | "update";
  readonly id: string | undefined;
  readonly bundle: MimeBundle;
}

export class Notebook implements Frontend {
  readonly shown: Shown[] = [];
  readonly written: { readonly text: string; readonly stream: "stdout" | "stderr" }[] = [];
  /** Told of everything that is shown. */
  onShow: () => void = () => undefined;

  display(bundle: MimeBundle, options?: { id?: string }): void {
    this.shown.push({ kind: "display", id: options?.id, bundle });
    this.onShow();
  }

  update(id: string, bundle: MimeBundle): void {
    this.shown.push({ kind: "update", id, bundle });
  }

  write(text: string, stream: "stdout" | "stderr" = "stdout"): void {
    this.written.push({ text, stream });
  }

  /** The text of every display, in order. */
  get plain(): readonly unknown[] {
    return this.shown.map(({ bundle }) => bundle["text/plain"]);
  }

  /** What was written to a stream. */
  text(stream: "stdout" | "stderr" = "stdout"): string {
    return this.written.flatMap((piece) => (piece.stream === stream ? [piece.text] : [])).join("");
  }

  /** What is to be seen in the end: the last state of every display. */
  get seen(): readonly MimeBundle[] {
    const states = new Map<string, MimeBundle>();
    this.shown.forEach(({ id, bundle }, index) => {
      states.set(id ?? `${index}`, bundle);
    });
    return [...states.values()];
  }
}
