/** @file What a tokenizer is to the rest of the library: text to ids and back, whatever the file format behind it. */

export interface Tokenizer {
  /** Ids of a text, without special tokens. Special tokens spelled out in the text are text, never control tokens. */
  encode(text: string): number[];
  /** Text of ids; special tokens and ids outside the vocabulary are left out. */
  decode(ids: Iterable<number>): string;
  /** Decodes ids as they come; the pieces joined equal `decode` of all of them. */
  stream(): DecodeStream;
  /** Number of ids, special tokens included. */
  readonly vocabularySize: number;
  /** Ids of the special tokens by name, for example `eos`, `[gMASK]`, `<|user|>`. */
  readonly specialIds: Readonly<Record<string, number>>;
}

export interface DecodeStream {
  /** The text that this id completes: empty while a character's bytes are still on their way. */
  push(id: number): string;
  /** What is left when no more ids come: a replacement character for a character that was cut off. */
  end(): string;
}
