/**
 * @file How training and answers share the thread in which models run: after every run of training, which nothing can
 * interrupt, those who wait for an answer have the thread for as long as that run took.
 *
 * So training beside answers is half as fast as alone, and an answer waits for one run of training before its first token.
 */
import { setImmediate as turn } from "node:timers/promises";

/** So long, in milliseconds, an answer counts as waiting after it was handed a token and before it asks for the next one. */
const PATIENCE = 20;

/** An answer that is being generated, or work that is under way. */
interface Answer {
  /** When it was handed its last event, the end of time for work; time in which training held the thread does not count. */
  handed: number;
}

export class TimeShare {
  readonly #answers = new Set<Answer>();
  /** When the share of those who wait is over. */
  #until = 0;

  /** Runs a part of training, once those who wait have had their share: each of them one run at least. */
  async train<T>(work: () => Promise<T>): Promise<T> {
    while (this.#isAwaited()) {
      await turn();
      if (performance.now() >= this.#until) break;
    }
    const begun = performance.now();
    try {
      return await work();
    } finally {
      const now = performance.now();
      const took = now - begun;
      this.#until = Math.max(this.#until, now) + took;
      for (const answer of this.#answers) answer.handed += took;
    }
  }

  /** The events of an answer that training needs, as parts of it. */
  async *training<E>(events: AsyncGenerator<E, void, void>): AsyncGenerator<E, void, void> {
    try {
      for (;;) {
        const next = await this.train(() => events.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await events.return();
    }
  }

  /** The events of an answer that somebody waits for. */
  async *answering<E>(events: AsyncGenerator<E, void, void>): AsyncGenerator<E, void, void> {
    const answer: Answer = { handed: performance.now() };
    this.#answers.add(answer);
    try {
      for (;;) {
        const next = await events.next();
        answer.handed = performance.now();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      this.#answers.delete(answer);
      await events.return();
    }
  }

  /** Other work that somebody waits for, until it is over: each of its many waits for a disk would be one for a run of training. */
  async asked<T>(work: () => Promise<T>): Promise<T> {
    const end = this.#wait();
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** The events of such work. */
  async *asking<E>(events: AsyncGenerator<E, void, void>): AsyncGenerator<E, void, void> {
    const end = this.#wait();
    try {
      yield* events;
    } finally {
      end();
    }
  }

  #wait(): () => void {
    const answer: Answer = { handed: Number.POSITIVE_INFINITY };
    this.#answers.add(answer);
    return () => this.#answers.delete(answer);
  }

  /** Whether anybody waits for an answer; where nobody does, training owes nothing. */
  #isAwaited(): boolean {
    const since = performance.now() - PATIENCE;
    for (const { handed } of this.#answers) if (handed >= since) return true;
    this.#until = 0;
    return false;
  }
}
