/**
 * @file The tokenizer of GLM-4: byte-level BPE from a tokenizer.json, by Hugging Face's own JavaScript library.
 *
 * OpenAI's `tiktoken`, which the published code uses, is exact too, but its time grows with the square of a run of
 * letters: 75 s for 100,000 Chinese characters (WebAssembly 1.0.22; js-tiktoken is slower still), here about 1 s.
 */
import { Tokenizer as Encoder } from "@huggingface/tokenizers";
import { GlmError } from "../errors.ts";
import type { Json } from "./json.ts";
import { type DecodeStream, decodeAll, type Tokenizer, wellFormed } from "./tokenizer.ts";

/** The part of tokenizer.json that is looked at here; the library reads the rest. */
export interface TokenizerJson extends Json {
  readonly model: {
    readonly type: "BPE";
    /** Ids of the tokens, whose bytes are written as `byteCharacters`. */
    readonly vocab: Readonly<Record<string, number>>;
    /** Pairs of tokens that become one, the first ones first. */
    readonly merges: readonly unknown[];
    /** Whether a word that is a token is left whole. */
    readonly ignore_merges?: boolean;
  };
  readonly added_tokens?: readonly AddedToken[];
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
}

/** How each byte is written in a byte-level vocabulary: as itself where it is printable Latin-1, else from U+0100 on. */
export const byteCharacters: readonly string[] = characters();

function characters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
}

/** Whether this is the content of a tokenizer.json with byte-level BPE. */
export function isByteLevel(json: Json): json is TokenizerJson {
  const { model, added_tokens: added = [] } = json as { model?: Json | null; added_tokens?: unknown };
  const isId = (id: unknown): boolean => Number.isInteger(id) && Number(id) >= 0;
  return (
    model?.type === "BPE" &&
    typeof model.vocab === "object" &&
    model.vocab !== null &&
    Object.values(model.vocab).every(isId) &&
    Array.isArray(model.merges) &&
    JSON.stringify([json.pre_tokenizer, json.decoder]).includes('"ByteLevel"') &&
    Array.isArray(added) &&
    added.every((token) => isId(token?.id) && typeof token.content === "string")
  );
}

/**
 * @param subject the file, for messages
 * @throws GlmError `model-invalid` when the library cannot use it
 */
export function byteLevelTokenizer(json: TokenizerJson, subject: string): Tokenizer {
  const { added_tokens: added = [], model } = json;
  let encoder: Encoder;
  try {
    // Without the added tokens: the library would find them in text. And nothing is put before or after a text.
    encoder = new Encoder(
      { ...json, pre_tokenizer: unicodeCases(json.pre_tokenizer), added_tokens: [], post_processor: null },
      {},
    );
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError(
      "model-invalid",
      `${subject}: expected a byte-level BPE tokenizer, got one that cannot be used (${got}). Download the file again.`,
      { cause },
    );
  }
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const specialIds: Record<string, number> = {};
  for (const { content, id } of added) {
    specialIds[content] = id;
    delete tokens[id];
  }
  const end = specialIds["<|endoftext|>"];
  if (end !== undefined) Object.assign(specialIds, { eos: end, pad: end });
  const encode = (text: string): number[] =>
    text === "" ? [] : encoder.encode(wellFormed(text), { add_special_tokens: false }).ids;
  const stream = () => byteStream(tokens);

  return {
    vocabularySize: Math.max(tokens.length, ...added.map(({ id }) => id + 1)),
    specialIds,
    encode,
    encodePlain: encode,
    decode: (ids) => decodeAll(stream(), ids),
    stream,
  };
}

/** The library's "(?i:" knows the cases of ASCII only; the long s is a case of s. */
function unicodeCases(preTokenizer: unknown): unknown {
  return JSON.parse(JSON.stringify(preTokenizer ?? null).replaceAll("(?i:'s|", "(?i:'s|'ſ|"));
}

const byteOf: ReadonlyMap<string, number> = new Map(byteCharacters.map((character, byte) => [character, byte]));

/** A decoder that holds bytes back until they make a whole character. */
function byteStream(tokens: readonly (string | undefined)[]): DecodeStream {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push: (id) =>
      decoder.decode(
        Uint8Array.from(tokens[id] ?? "", (character) => byteOf.get(character) ?? 0),
        { stream: true },
      ),
    end: () => decoder.decode(),
  };
}
