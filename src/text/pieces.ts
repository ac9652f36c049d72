/** @file Reads the pieces out of a SentencePiece model file, a protobuf message, and turns ids back into text. */
import protobuf from "protobufjs";
import { GlmError } from "../errors.ts";
import type { DecodeStream } from "./tokenizer.ts";

/** The part of sentencepiece_model.proto that decoding needs; field numbers are the format's. */
const schema = `
syntax = "proto2";
message SentencePiece { optional string piece = 1; optional int32 type = 3 [default = 1]; }
message NormalizerSpec { optional bool addDummyPrefix = 3 [default = true]; optional bool removeExtraWhitespaces = 4 [default = true]; }
message ModelProto { repeated SentencePiece pieces = 1; optional NormalizerSpec normalizerSpec = 3; }
`;
const message = protobuf.parse(schema).root.lookupType("ModelProto");

/** SentencePiece.Type. Unknown, control and unused pieces have no text of their own here. */
const NORMAL = 1;
const USER_DEFINED = 4;
const BYTE = 6;

const SPACE = "\u2581";

/** Text, one byte of UTF-8, or null for a piece that stands for no text. */
type Piece = string | number | null;

export interface Pieces {
  readonly list: readonly Piece[];
  /** Whether encoding puts a space before the text, which decoding takes away again. */
  readonly dummyPrefix: boolean;
}

interface ModelProto {
  readonly pieces: readonly { readonly piece: string; readonly type: number }[];
  readonly normalizerSpec: { readonly addDummyPrefix: boolean } | null;
}

/** Parses a model file; throws `model-invalid` when the bytes are not one. */
export function readPieces(bytes: Uint8Array, subject: string): Pieces {
  let model: ModelProto;
  try {
    model = message.decode(bytes) as unknown as ModelProto;
  } catch (cause) {
    throw invalid(subject, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (model.pieces.length === 0) throw invalid(subject, "a file without pieces");
  const list = model.pieces.map(({ piece, type }): Piece => {
    if (type === NORMAL || type === USER_DEFINED) return piece;
    return type === BYTE ? Number.parseInt(piece.slice(3, 5), 16) : null;
  });
  if (list.some((piece) => Number.isNaN(piece))) throw invalid(subject, "a byte piece that is not written <0xXX>");
  return { list, dummyPrefix: model.normalizerSpec?.addDummyPrefix ?? true };
}

function invalid(subject: string, got: string, cause?: unknown): GlmError {
  return new GlmError(
    "model-invalid",
    `${subject}: expected a SentencePiece model, got ${got}. Download the file again; it may be cut off or a Git LFS pointer.`,
    { cause },
  );
}

/** A decoder that holds bytes back until they make a whole character. */
export function decodeStream({ list, dummyPrefix }: Pieces): DecodeStream {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const encoder = new TextEncoder();
  let atStart = dummyPrefix;
  return {
    push(id) {
      const piece = list[id] ?? null;
      if (piece === null || piece === "") return "";
      const first = atStart;
      atStart = false;
      if (typeof piece === "number") return decoder.decode(Uint8Array.of(piece), { stream: true });
      const text = (first && piece.startsWith(SPACE) ? piece.slice(1) : piece).replaceAll(SPACE, " ");
      return decoder.decode(encoder.encode(text), { stream: true });
    },
    end: () => decoder.decode(),
  };
}
