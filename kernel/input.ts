/** @file Asking the user for a line over the stdin channel. */
import { inTurn } from "../src/in-turn.ts";
import type { ToServer } from "./link.ts";
import { toJson } from "./text.ts";
import type { Request } from "./wire.ts";

interface Question {
  readonly prompt: string;
  readonly password: boolean;
  readonly signal: AbortSignal;
}

/** Asks one question at a time: replies do not say which question they answer. */
export class InputDesk {
  readonly #post: (message: ToServer) => void;
  readonly #oneAtATime = inTurn();
  #answer: ((value: string) => void) | undefined;

  constructor(post: (message: ToServer) => void) {
    this.#post = post;
  }

  /** @throws the signal's reason once the cell is interrupted */
  ask(request: Request, question: Question): Promise<string> {
    return this.#oneAtATime(() => this.#askNow(request, question));
  }

  /** Takes the user's answer; one that nobody waits for any more is dropped. */
  answer(value: string): void {
    this.#answer?.(value);
    this.#answer = undefined;
  }

  async #askNow({ identities, header: parent }: Request, { prompt, password, signal }: Question): Promise<string> {
    signal.throwIfAborted();
    const content = toJson({ prompt, password });
    this.#post({ kind: "send", channel: "stdin", message: { identities, type: "input_request", parent, content } });
    return await new Promise((resolve, reject) => {
      this.#answer = resolve;
      signal.addEventListener(
        "abort",
        () => {
          this.#answer = undefined;
          reject(signal.reason);
        },
        { once: true },
      );
    });
  }
}
