/** @file The tokenizer of ChatGLM2 and ChatGLM3: SentencePiece BPE with byte fallback, special tokens after the pieces. */
import { readFile } from "node:fs/promises";
import { SentencePieceProcessor } from "@agnai/sentencepiece-js";
import { GlmError } from "../errors.ts";
import { decodeStream, readPieces } from "./pieces.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Loads a SentencePiece model file.
 * @param special special tokens, which take the ids that follow the file's own pieces
 * @throws GlmError `model-not-found` without the file, `model-invalid` when it is not a SentencePiece model
 */
export async function loadSentencePiece(path: string, special: readonly string[]): Promise<Tokenizer> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new GlmError(
      "model-not-found",
      `Tokenizer ${path}: expected a readable file, got ${cause instanceof Error ? cause.message : String(cause)}. ` +
        "Copy tokenizer.model of the checkpoint into the folder.",
      { cause },
    );
  });
  const pieces = readPieces(bytes, `Tokenizer ${path}`);
  const processor = new SentencePieceProcessor();
  await processor.load(path);
  const base = pieces.list.length;
  const specialIds: Record<string, number> = { unk: 0, pad: 0, bos: 1, eos: 2 };
  special.forEach((name, index) => {
    specialIds[name] = base + index;
  });

  return {
    vocabularySize: base + special.length,
    specialIds,
    // Lone surrogates become replacement characters first: they have no UTF-8 form.
    encode: (text) => (text === "" ? [] : processor.encodeIds(Buffer.from(text, "utf8").toString("utf8"))),
    decode(ids) {
      const stream = decodeStream(pieces);
      let text = "";
      for (const id of ids) text += stream.push(id);
      return text + stream.end();
    },
    stream: () => decodeStream(pieces),
  };
}
