/** @file Loads SentencePiece, compiled to WebAssembly, with a model file. */
import { SentencePieceProcessor } from "@agnai/sentencepiece-js";
import { GlmError } from "../errors.ts";

export type { SentencePieceProcessor } from "@agnai/sentencepiece-js";

/** @throws GlmError `model-invalid` when SentencePiece does not accept the file */
export async function loadProcessor(path: string): Promise<SentencePieceProcessor> {
  const processor = new SentencePieceProcessor();
  await processor.load(path);
  // The library drops the status of loading. What has no model finds no pieces.
  if (processor.encodeIds("a").length > 0) return processor;
  throw new GlmError(
    "model-invalid",
    `Tokenizer ${path}: expected a model that SentencePiece accepts, got one that it refuses. Download the file again.`,
  );
}
