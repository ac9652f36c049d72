/** @file What a tokenizer is to the rest of the library: text to ids and back, whatever the file format behind it. */

export interface Tokenizer {
  /**
   * Ids of a text, as the published tokenizer gives them. Special tokens spelled out in the text are text, with one
   * published exception: ChatGLM-6B's file may declare `[MASK]`, `[gMASK]`, `<sop>` ... to be read as themselves.
   */
  encode(text: string): number[];
  /** Ids of what a user wrote: as `encode`, but special tokens spelled out in the text are text in every family. */
  encodePlain(text: string): number[];
  /** Text of ids; special tokens (but those that `encode` reads) and ids outside the vocabulary are left out. */
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

/** All the text of a stream that is fed these ids. */
export function decodeAll(stream: DecodeStream, ids: Iterable<number>): string {
  let text = "";
  for (const id of ids) text += stream.push(id);
  return text + stream.end();
}

/** The text with lone surrogates as replacement characters: they have no UTF-8 form, which tokenizers work on. */
export function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}
