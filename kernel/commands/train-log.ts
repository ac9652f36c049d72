/** @file A training run as a terminal shows it, one bar, or as a log has it, a line now and then. */
import { PATIENCE, ProgressBar } from "../../magics/progress.ts";
import { duration, figure } from "../../magics/render/text.ts";
import { cutText, runSummary } from "../../magics/run/training-view.ts";
import type { FitEvent, FitSettings } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";

type Start = Extract<FitEvent, { type: "start" }>;
type Step = Extract<FitEvent, { type: "step" }>;
type Done = Extract<FitEvent, { type: "done" }>;

/** Lines that a log has of steps, unless it is told how many steps lie between two, and the most that it has of epochs. */
const LINES = 20;

export class TrainLog {
  readonly #name: string;
  readonly #every: number | undefined;
  readonly #isTerminal: boolean = process.stderr.isTTY === true;
  readonly #seconds: number[] = [];
  #start: Start | undefined;
  #first: Step | undefined;
  #last: Step | undefined;
  #done: Done | undefined;
  #bar: ProgressBar | undefined;
  #rehearsal: ProgressBar | undefined;

  /** Whether there are rows to validate on. */
  #validates = false;
  /** The step after which an earlier run goes on: what it told before is told again, and is in its own log. */
  #from = 0;

  /** @param every steps from one line to the next, in a terminal as well; without it a terminal has its bar only */
  constructor(name: string, every: number | undefined) {
    this.#name = name;
    this.#every = every;
  }

  /** Steps that were taken and told. */
  get step(): number {
    return this.#last?.step ?? 0;
  }

  /** Steps that were planned. */
  get steps(): number {
    return this.#start?.steps ?? 0;
  }

  /** Of each step that was taken by this command. */
  get seconds(): readonly number[] {
    return this.#seconds;
  }

  get start(): Start | undefined {
    return this.#start;
  }

  take(event: FitEvent): void {
    switch (event.type) {
      case "start":
        this.#from = event.from ?? 0;
        if (event.cut && !this.#start) this.#say(cutText(event.cut));
        this.#start = event;
        this.#say(
          event.from === undefined
            ? `Training ${this.#name}: ${plural(event.steps, "step")} over ${plural(event.rows, "row")}`
            : `Training ${this.#name} goes on after step ${event.from} of ${event.steps}`,
        );
        return;
      case "rehearse":
        this.#rehearsal ??= new ProgressBar({ title: "Answers to rehearse", delay: PATIENCE });
        this.#rehearsal.update({ done: event.done, total: event.total });
        return;
      case "step":
        this.#step(event);
        return;
      case "validation": {
        const { step, epoch, loss, score, best } = event;
        this.#validates = true;
        if (step <= this.#from) return;
        const scored = score === undefined ? "" : `  score ${figure(score)}`;
        this.#say(
          `step ${step}  epoch ${epoch}  validation ${figure(loss)}${scored}${best ? "  the best so far" : ""}`,
        );
        return;
      }
      case "epoch":
        // Of many epochs, the lines of steps say enough.
        if (this.step <= this.#from || this.#isTerminal || (this.#start?.epochs ?? 0) > LINES) return;
        this.#say(`epoch ${event.epoch} is over  loss ${figure(event.loss)}`);
        return;
      case "done":
        this.#done = event;
    }
  }

  /** Says no more of its own. */
  end(state: "done" | "stopped" | "failed"): void {
    this.#rehearsal?.finish(this.#bar ? "done" : state);
    this.#bar?.finish(state);
  }

  /**
   * What the run came to, in one line.
   * @param settings how it was judged
   */
  summary(settings: Pick<FitSettings, "validateEvery" | "monitor">): string {
    if (!this.#done) throw new Error("the training ended without saying so");
    const [firstLoss, lastLoss] = [this.#first?.loss ?? Number.NaN, this.#last?.loss ?? Number.NaN];
    return runSummary(this.#done, settings, { firstLoss, lastLoss, validates: this.#validates });
  }

  #step(event: Step): void {
    this.#first ??= event;
    this.#last = event;
    if (event.step <= this.#from) return;
    this.#seconds.push(event.seconds);
    const { step, steps, epoch, loss, lr, seconds } = event;
    if (this.#isTerminal) {
      this.#rehearsal?.finish();
      this.#bar ??= new ProgressBar({ title: `Training ${this.#name}` });
      this.#bar.update({ done: step, total: steps, note: `epoch ${epoch}  loss ${figure(loss)}` });
    }
    const every = this.#every ?? (this.#isTerminal ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(steps / LINES)));
    if (step !== 1 && step !== steps && step % every !== 0) return;
    if (this.#isTerminal && this.#every === undefined) return;
    this.#say(
      `step ${step}/${steps}  epoch ${epoch}  loss ${figure(loss)}  lr ${Number(lr.toPrecision(3))}  ${duration(seconds)} a step${this.#left()}`,
    );
  }

  /** The first step prepares the others, and says nothing of them. */
  #left(): string {
    const later = this.#seconds.slice(1);
    const left = this.steps - this.step;
    if (later.length === 0 || left === 0) return "";
    return `  < ${duration((left * later.reduce((sum, one) => sum + one, 0)) / later.length)} left`;
  }

  /** A line; a bar that is being shown goes on below it. */
  #say(line: string): void {
    process.stderr.write(this.#isTerminal ? `\r${line}\u001b[K\n` : `${line}\n`);
  }
}
