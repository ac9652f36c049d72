/** @file Reads the pieces out of a SentencePiece model file, a protobuf message, and turns ids back into text. */
import protobuf from "protobufjs";
import { GlmError } from "../errors.ts";
import type { DecodeStream } from "./tokenizer.ts";

/** The part of sentencepiece_model.proto that is needed here; field numbers are the format's. */
const schema = `
syntax = "proto2";
message SentencePiece { optional string piece = 1; optional float score = 2; optional int32 type = 3 [default = 1]; }
message TrainerSpec { optional int32 modelType = 3 [default = 1]; }
message NormalizerSpec { optional bool addDummyPrefix = 3 [default = true]; optional bool removeExtraWhitespaces = 4 [default = true]; }
message ModelProto { repeated SentencePiece pieces = 1; optional TrainerSpec trainerSpec = 2; optional NormalizerSpec normalizerSpec = 3; }
`;
const message = protobuf.parse(schema).root.lookupType("ModelProto");

/** SentencePiece.Type: what a piece stands for. Unknown and control pieces have no text of their own. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
/** TrainerSpec.ModelType, of the model types that have many pieces a word. */
export const modelTypes = { unigram: 1, bpe: 2 } as const;

/** The character that stands for a space inside the model. */
export const space = "\u2581";

export interface Piece {
  readonly piece: string;
  /** Unigram: the logarithm of its probability. */
  readonly score: number;
  readonly type: number;
}

export interface PieceModel {
  readonly pieces: readonly Piece[];
  readonly modelType: number;
  /** Whether encoding puts a space before the text, which decoding takes away again. */
  readonly dummyPrefix: boolean;
  /** Whether encoding drops spaces around the text, so that decoding begins with none. */
  readonly trims: boolean;
}

interface ModelProto {
  readonly pieces: readonly Piece[];
  readonly trainerSpec: { readonly modelType: number } | null;
  readonly normalizerSpec: { readonly addDummyPrefix: boolean; readonly removeExtraWhitespaces: boolean } | null;
}

/** Parses a model file; throws `model-invalid` when the bytes are not one. */
export function readPieces(bytes: Uint8Array, subject: string): PieceModel {
  let model: ModelProto;
  try {
    model = message.decode(bytes) as unknown as ModelProto;
  } catch (cause) {
    throw invalid(subject, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { pieces, trainerSpec, normalizerSpec } = model;
  if (pieces.length === 0) throw invalid(subject, "a file without pieces");
  if (pieces.some(({ piece, type }) => type === pieceTypes.byte && Number.isNaN(byteOf(piece)))) {
    throw invalid(subject, "a byte piece that is not written <0xXX>");
  }
  return {
    pieces,
    modelType: trainerSpec?.modelType ?? modelTypes.unigram,
    dummyPrefix: normalizerSpec?.addDummyPrefix ?? true,
    trims: normalizerSpec?.removeExtraWhitespaces ?? true,
  };
}

function invalid(subject: string, got: string, cause?: unknown): GlmError {
  return new GlmError(
    "model-invalid",
    `${subject}: expected a SentencePiece model, got ${got}. Download the file again; it may be cut off or a Git LFS pointer.`,
    { cause },
  );
}

/** How a byte is written as a piece. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** The byte that such a piece stands for; NaN for any other text. */
export function byteOf(piece: string): number {
  return /^<0x[0-9A-F]{2}>$/.test(piece) ? Number.parseInt(piece.slice(3, 5), 16) : Number.NaN;
}

/** Text, one byte of UTF-8, or null for a piece that stands for no text. */
export type Surface = string | number | null;

/** What each piece of a model stands for, by id. */
export function surfacesOf({ pieces }: PieceModel): Surface[] {
  return pieces.map(({ piece, type }) => {
    if (type === pieceTypes.normal || type === pieceTypes.userDefined) return piece;
    return type === pieceTypes.byte ? byteOf(piece) : null;
  });
}

/** A decoder that holds bytes back until they make a whole character. */
export function pieceStream(
  surfaces: readonly Surface[],
  { dummyPrefix, trims }: Pick<PieceModel, "dummyPrefix" | "trims">,
): DecodeStream {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const encoder = new TextEncoder();
  let atStart = dummyPrefix || trims;
  return {
    push(id) {
      const piece = surfaces[id] ?? null;
      if (piece === null || piece === "") return "";
      const first = atStart;
      if (typeof piece === "number") {
        atStart = false;
        return decoder.decode(Uint8Array.of(piece), { stream: true });
      }
      const text = (first && piece.startsWith(space) ? piece.slice(1) : piece).replaceAll(space, " ");
      // Only one space was put before the text; but where spaces are dropped, none is shown before it begins.
      atStart = first && trims && text === "";
      return decoder.decode(encoder.encode(text), { stream: true });
    },
    end: () => decoder.decode(),
  };
}
