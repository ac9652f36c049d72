/** @file A training run as a terminal shows it, one bar, or as a log has it, a line now and then. */
import { duration, figure } from "../../magics/render/text.ts";
import { type Judged, type RunStart, type RunStep, SeenRun } from "../../magics/run/seen-run.ts";
import type { FitEvent } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";

/** Lines that a log has of steps, unless it is told how many steps lie between two, and the most that it has of epochs. */
const LINES = 20;

export class TrainLog {
  readonly #name: string;
  readonly #every: number | undefined;
  readonly #isWhole: boolean;
  readonly #isTerminal: boolean = process.stderr.isTTY === true;
  readonly #seen = new SeenRun();
  readonly #seconds: number[] = [];
  /** The step after which an earlier run goes on: what it told before is told again, and is in its own log. */
  #from = 0;

  /**
   * @param every steps from one line to the next, in a terminal as well; without it a terminal has its bar only
   * @param isWhole whether it has what was told before the run went on, too
   */
  constructor(name: string, every: number | undefined, { isWhole = false }: { readonly isWhole?: boolean } = {}) {
    this.#name = name;
    this.#every = every;
    this.#isWhole = isWhole;
  }

  /** Steps that were planned. */
  get steps(): number {
    return this.#seen.steps;
  }

  /** Of each step that was taken by this command. */
  get seconds(): readonly number[] {
    return this.#seconds;
  }

  get start(): RunStart | undefined {
    return this.#seen.start;
  }

  take(event: FitEvent): void {
    this.#seen.take(event);
    switch (event.type) {
      case "start":
        this.#from = this.#isWhole ? 0 : (event.from ?? 0);
        this.#say(
          event.from === undefined || this.#isWhole
            ? `Training ${this.#name}: ${plural(event.steps, "step")} over ${plural(event.rows, "row")}`
            : `Training ${this.#name} goes on after step ${event.from} of ${event.steps}`,
        );
        return;
      case "step":
        this.#step(event);
        return;
      case "validation": {
        const { step, epoch, loss, score, best } = event;
        if (step <= this.#from) return;
        const scored = score === undefined ? "" : `  score ${figure(score)}`;
        this.#say(
          `step ${step}  epoch ${epoch}  validation ${figure(loss)}${scored}${best ? "  the best so far" : ""}`,
        );
        return;
      }
      case "epoch":
        // Of many epochs, the lines of steps say enough.
        if (this.#seen.step <= this.#from || this.#isTerminal || (this.start?.epochs ?? 0) > LINES) return;
        this.#say(`epoch ${event.epoch} is over  loss ${figure(event.loss)}`);
    }
  }

  /** Says no more of its own. */
  end(state: "done" | "stopped" | "failed"): void {
    this.#seen.finish(state);
  }

  /**
   * What the run came to, in one line.
   * @param judged how it was judged
   */
  summary(judged: Judged): string {
    return this.#seen.summary(judged);
  }

  #step(event: RunStep): void {
    if (event.step <= this.#from) return;
    this.#seconds.push(event.seconds);
    const { step, steps, epoch, loss, lr, seconds } = event;
    if (this.#isTerminal) this.#seen.show(event, `Training ${this.#name}`);
    const every = this.#every ?? (this.#isTerminal ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(steps / LINES)));
    if (step !== 1 && step !== steps && step % every !== 0) return;
    if (this.#isTerminal && this.#every === undefined) return;
    this.#say(
      `step ${step}/${steps}  epoch ${epoch}  loss ${figure(loss)}  lr ${Number(lr.toPrecision(3))}  ${duration(seconds)} a step${this.#left(steps - step)}`,
    );
  }

  /** The first step prepares the others, and says nothing of them. */
  #left(left: number): string {
    const later = this.#seconds.slice(1);
    if (later.length === 0 || left === 0) return "";
    return `  < ${duration((left * later.reduce((sum, one) => sum + one, 0)) / later.length)} left`;
  }

  /** A line; a bar that is being shown goes on below it. */
  #say(line: string): void {
    process.stderr.write(this.#isTerminal ? `\r${line}\u001b[K\n` : `${line}\n`);
  }
}
