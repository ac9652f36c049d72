/** @file The tokenizer of ChatGLM2 and ChatGLM3: SentencePiece BPE with byte fallback, special tokens after the pieces. */
import { type PieceModel, pieceStream, surfacesOf } from "./pieces.ts";
import { loadProcessor } from "./processor.ts";
import { decodeAll, type Tokenizer, wellFormed } from "./tokenizer.ts";

/**
 * @param path of the SentencePiece model file
 * @param model what the file holds
 * @param special special tokens, which take the ids that follow the file's own pieces
 * @throws GlmError `model-invalid` when SentencePiece does not accept the file
 */
export async function sentencePieceTokenizer(
  path: string,
  model: PieceModel,
  special: readonly string[],
): Promise<Tokenizer> {
  const surfaces = surfacesOf(model);
  const processor = await loadProcessor(path);
  const base = surfaces.length;
  const specialIds: Record<string, number> = { unk: 0, pad: 0, bos: 1, eos: 2 };
  special.forEach((name, index) => {
    specialIds[name] = base + index;
  });
  const encode = (text: string): number[] => (text === "" ? [] : processor.encodeIds(wellFormed(text)));

  return {
    vocabularySize: base + special.length,
    specialIds,
    encode,
    encodePlain: encode,
    decode: (ids) => decodeAll(pieceStream(surfaces, model), ids),
    stream: () => pieceStream(surfaces, model),
  };
}
