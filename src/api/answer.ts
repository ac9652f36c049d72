/** @file Token ids as the text of an answer: decoded as they come, without the white space around it. */
import type { DecodeStream, Tokenizer } from "../text/tokenizer.ts";

/** One answer on its way. The pieces it gives, joined, are the answer as the published code returns it. */
export class AnswerText {
  readonly #stream: DecodeStream;
  #begun = false;
  /** White space that is part of the answer only if something follows. */
  #held = "";

  constructor(tokenizer: Tokenizer) {
    this.#stream = tokenizer.stream();
  }

  /** The text that can be shown now; often empty. */
  push(token: number): string {
    return this.#take(this.#stream.push(token));
  }

  /** What is left when no more tokens come. */
  end(): string {
    return this.#take(this.#stream.end());
  }

  #take(text: string): string {
    const piece = this.#begun ? this.#held + text : text.trimStart();
    const shown = piece.trimEnd();
    if (shown === "") {
      if (this.#begun) this.#held = piece;
      return "";
    }
    this.#begun = true;
    this.#held = piece.slice(shown.length);
    return shown;
  }
}
