/** @file Output that changes in place, at a pace that front ends can follow, and the same in a terminal. */
import { randomUUID } from "node:crypto";
import { ambient, type Frontend, type MimeBundle } from "../src/ambient.ts";

/** Shows a bundle in the running cell; without a notebook, its text on standard output. */
export function show(bundle: MimeBundle): void {
  const { frontend } = ambient();
  if (frontend) frontend.display(bundle);
  else process.stdout.write(`${plain(bundle)}\n`);
}

/** Appends to the running cell's output; without a notebook, to the process's. */
export function write(text: string, stream: "stdout" | "stderr" = "stdout"): void {
  const { frontend } = ambient();
  if (frontend) frontend.write(text, stream);
  else process[stream].write(text);
}

/**
 * One display that is replaced as things go on, at most every `interval` milliseconds; the last state always shows.
 * Rendering happens only for states that are shown, so `update` may be called for every token or step.
 */
export class LiveDisplay {
  readonly #frontend: Frontend | undefined;
  readonly #id: string = `glmlab-${randomUUID()}`;
  readonly #interval: number;
  #shown = false;
  #finished = false;
  #last = Number.NEGATIVE_INFINITY;
  #pending: (() => MimeBundle) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Columns of the line that a terminal shows now. */
  #line = 0;

  constructor(options: { interval?: number; delay?: number } = {}) {
    this.#frontend = ambient().frontend;
    this.#interval = options.interval ?? 150;
    if (options.delay !== undefined) this.#last = performance.now() - this.#interval + options.delay;
  }

  /** Shows what `render` makes, now or as soon as the pace allows; a newer call takes the place of a waiting one. */
  update(render: () => MimeBundle): void {
    if (this.#finished) return;
    this.#pending = render;
    const wait = this.#last + this.#interval - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait).unref();
  }

  /** Shows the last state for good. Without a bundle: the one that waits, or nothing when nothing was ever shown. */
  finish(bundle?: MimeBundle): void {
    if (this.#finished) return;
    if (bundle) this.#pending = () => bundle;
    if (bundle || this.#shown) this.#flush(true);
    clearTimeout(this.#timer);
    this.#finished = true;
  }

  /** True once something is to be seen. */
  get shown(): boolean {
    return this.#shown;
  }

  #flush(last = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const render = this.#pending;
    this.#pending = undefined;
    if (render) {
      this.#last = performance.now();
      if (this.#frontend) this.#display(this.#frontend, render());
      else this.#print(plain(render()), last);
      this.#shown = true;
    } else if (last && !this.#frontend && this.#line > 0) process.stderr.write("\n");
  }

  #display(frontend: Frontend, bundle: MimeBundle): void {
    if (this.#shown) frontend.update(this.#id, bundle);
    else frontend.display(bundle, { id: this.#id });
  }

  /** A terminal's line is rewritten; where nothing can be rewritten (a file, a pipe), only the last state is written. */
  #print(text: string, last: boolean): void {
    const rewritable = process.stderr.isTTY === true && !text.includes("\n");
    if (!rewritable && !last) return;
    const line = rewritable ? `\r${text}\u001b[K` : text;
    process.stderr.write(last ? `${line}\n` : line);
    this.#line = last ? 0 : text.length;
  }
}

function plain(bundle: MimeBundle): string {
  return String(bundle["text/plain"] ?? "");
}
