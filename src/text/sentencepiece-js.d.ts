/** The part of @agnai/sentencepiece-js that is used here; the package has no types of its own. */
declare module "@agnai/sentencepiece-js" {
  export class SentencePieceProcessor {
    /** Loads a model file from a path; an unreadable model is not reported. */
    load(path: string): Promise<void>;
    encodeIds(text: string): number[];
    encodePieces(text: string): string[];
  }
}
