/** @file Token ids as the text of an answer: decoded and cleaned up as they come, without the white space around it. */
import type { Family } from "../models/family.ts";
import { processResponse, type TextStream } from "./process-response.ts";
import type { DecodeStream, Tokenizer } from "./tokenizer.ts";

/** The answer that a text is when it is given exactly: as the tokenizer and the published clean-up return it. */
export const sayable = (family: Family, tokenizer: Tokenizer, text: string): string =>
  textOf(family, tokenizer, tokenizer.encodePlain(text));

/** The answer that ids are. */
export function textOf(family: Family, tokenizer: Tokenizer, ids: readonly number[]): string {
  const answer = new AnswerText(family, tokenizer);
  let said = "";
  for (const id of ids) said += answer.push(id);
  return said + answer.end();
}

/** One answer on its way. The pieces it gives, joined, are the answer as the published code returns it. */
export class AnswerText {
  readonly #stream: DecodeStream;
  readonly #processResponse: TextStream;
  #begun = false;
  /** White space that is part of the answer only if something follows. */
  #held = "";

  constructor(family: Family, tokenizer: Tokenizer) {
    this.#stream = tokenizer.stream();
    this.#processResponse = processResponse(family);
  }

  /** The text that can be shown now; often empty. */
  push(token: number): string {
    return this.#take(this.#processResponse.push(this.#stream.push(token)));
  }

  /** What is left when no more tokens come. */
  end(): string {
    return this.#take(this.#processResponse.push(this.#stream.end()) + this.#processResponse.end());
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
