/** @file The tokenizer of ChatGLM-6B: SentencePiece, white space as tokens of its own, special tokens in the file. */
import { GlmError } from "../errors.ts";
import {
  byteOf,
  bytePiece,
  modelTypes,
  type Piece,
  type PieceModel,
  pieceStream,
  pieceTypes,
  type Surface,
  surfacesOf,
} from "./pieces.ts";
import { loadProcessor, type SentencePieceProcessor } from "./processor.ts";
import { decodeAll, type Tokenizer, wellFormed } from "./tokenizer.ts";
import { unigram } from "./unigram.ts";

const newline = "<n>";
const tab = "<|tab|>";
const blank = (length: number): string => `<|blank_${length}|>`;
/** Runs of spaces from two to this many are one token. */
const longestBlank = 80;

const specialNames: readonly string[] = [
  "[MASK]",
  "[gMASK]",
  "[sMASK]",
  "<unused_0>",
  "<sop>",
  "<eop>",
  "<ENC>",
  "<dBLOCK>",
];

/** Ids of images that come before those of text in the first release. */
const imageTokens = 20_000;

export interface IceTextOptions {
  /** `num_image_tokens` of tokenizer_config.json. */
  readonly imageTokens: number | undefined;
  /** Rows of the model's embedding table, by config.json; says which release it is when `imageTokens` does not. */
  readonly vocabulary: number | undefined;
}

/** Whether a SentencePiece model is one of ChatGLM-6B's: it is the only one that writes newlines as a piece. */
export function isIceText({ pieces }: PieceModel): boolean {
  return pieces.some(({ piece }) => piece === newline);
}

/**
 * @param path of ice_text.model
 * @param model what the file holds
 * @throws GlmError `model-invalid` when it is not ChatGLM-6B's
 */
export async function iceTextTokenizer(path: string, model: PieceModel, options: IceTextOptions): Promise<Tokenizer> {
  const complete = model.pieces.some(({ piece }) => piece === tab);
  const pieces = complete ? model.pieces : [...model.pieces, ...addedAtLoad()];
  const idOf = new Map(pieces.map(({ piece }, id) => [piece, id]));
  const missing = ["[gMASK]", "<sop>", "<eop>", newline].filter((name) => !idOf.has(name));
  if (missing.length > 0) {
    throw new GlmError(
      "model-invalid",
      `Tokenizer ${path}: expected ChatGLM-6B's SentencePiece model, got one without ${missing.join(", ")}. Download the file again.`,
    );
  }
  const offset = options.imageTokens ?? imagesBefore(pieces.length, complete, options.vocabulary);
  const segment = segmenter(await loadProcessor(path), model.modelType, pieces);
  const encodeBare = (text: string): number[] => segment(withWhitespaceTokens(wellFormed(text)));
  // What comes before a text's own ids: the space that is put there, and this newline.
  const before = segment(newline).length;
  const controls = new Map(
    specialNames.flatMap((name): [number, number[]][] => {
      const id = idOf.get(name);
      // In two parts, neither of which names a token.
      const parts = [name.slice(0, 1), name.slice(1)];
      return id === undefined ? [] : [[id, parts.flatMap((part) => segment(newline + part).slice(before))]];
    }),
  );
  const shifted = (ids: readonly number[]): number[] => ids.map((id) => id + offset);
  const surfaces = [...new Array<null>(offset).fill(null), ...surfacesOf({ ...model, pieces }).map(restored)];
  const stream = () => pieceStream(surfaces, model);

  const id = (name: string): number => (idOf.get(name) ?? 0) + offset;
  return {
    vocabularySize: offset + pieces.length,
    specialIds: {
      unk: id("<unk>"),
      pad: id("<pad>"),
      bos: id("<sop>"),
      eos: id("<eop>"),
      ...Object.fromEntries(specialNames.filter((name) => idOf.has(name)).map((name) => [name, id(name)])),
      "<pad>": id("<pad>"),
    },
    encode: (text) => shifted(encodeBare(text)),
    encodePlain: (text) => shifted(encodeBare(text).flatMap((piece) => controls.get(piece) ?? piece)),
    decode: (ids) => decodeAll(stream(), ids),
    stream,
  };
}

/** The first release's file has text only; its code adds these pieces when it loads it. */
function addedAtLoad(): Piece[] {
  const made =
    (type: number) =>
    (piece: string): Piece => ({ piece, score: 0, type });
  return [
    ...specialNames.map(made(pieceTypes.control)),
    made(pieceTypes.userDefined)(tab),
    ...Array.from({ length: longestBlank - 1 }, (_, i) => blank(i + 2)).map(made(pieceTypes.userDefined)),
    ...Array.from({ length: 256 }, (_, byte) => bytePiece(byte)).map(made(pieceTypes.byte)),
  ];
}

function imagesBefore(pieces: number, complete: boolean, vocabulary: number | undefined): number {
  if (vocabulary !== undefined) return vocabulary >= pieces + imageTokens ? imageTokens : 0;
  return complete ? 0 : imageTokens;
}

function withWhitespaceTokens(text: string): string {
  return text
    .replaceAll("\n", newline)
    .replaceAll("\t", tab)
    .replace(new RegExp(` {2,${longestBlank}}`, "g"), (spaces) => blank(spaces.length));
}

/** The white space that a piece stands for. */
function restored(surface: Surface): Surface {
  if (surface === newline) return "\n";
  if (surface === tab) return "\t";
  const length = typeof surface === "string" ? /^<\|blank_(\d+)\|>$/.exec(surface)?.[1] : undefined;
  return length === undefined ? surface : " ".repeat(Number(length));
}

/** Text to pieces, by SentencePiece, or by its normalizer and our own search where that is what the model needs. */
function segmenter(
  processor: SentencePieceProcessor,
  modelType: number,
  pieces: readonly Piece[],
): (text: string) => number[] {
  if (modelType !== modelTypes.unigram) return (text) => processor.encodeIds(text);
  const search = unigram(pieces);
  return (text) => search(normalized(processor, text));
}

/** The text as SentencePiece's compiled normalizer leaves it: all pieces that it finds there, joined. */
function normalized(processor: SentencePieceProcessor, text: string): string {
  const parts = processor.encodePieces(text).map((piece) => {
    const byte = byteOf(piece);
    return Number.isNaN(byte) ? Buffer.from(piece) : Buffer.of(byte);
  });
  return Buffer.concat(parts).toString("utf8");
}
