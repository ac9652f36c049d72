/** @file Finds out which tokenizer a checkpoint folder holds, by what is in its files, and loads it. */

import { join } from "node:path";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { Family } from "../models/family.ts";
import { type TokenizerFile, tokenizerFileNames } from "../published.ts";
import { readWhole } from "../regular-file.ts";
import { mustDecode, type NotUtf8 } from "../text-encoding.ts";
import { type AddedToken, byteLevelTokenizer, isByteLevel } from "./byte-level.ts";
import { iceTextTokenizer, isIceText } from "./ice-text.ts";
import { type Json, parseJson, readJson } from "./json.ts";
import { type PieceModel, readPieces } from "./pieces.ts";
import { sentencePieceTokenizer } from "./sentencepiece.ts";
import { isTiktoken, readTiktoken } from "./tiktoken.ts";
import type { Tokenizer } from "./tokenizer.ts";

const prefixTokens: readonly string[] = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];
const roleTokens: readonly string[] = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];

/** The special tokens that follow a file's own, in the order of their ids. */
const specialTokens = {
  "chatglm2-6b": prefixTokens,
  "chatglm3-6b": [...prefixTokens, ...roleTokens],
  "glm-4-9b": [
    "<|endoftext|>",
    ...["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"],
    ...roleTokens,
    ...["<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"],
  ],
} as const satisfies Partial<Record<Family, readonly string[]>>;

/** The files in which each family's tokenizer is published, the one that is preferred first. */
export const tokenizerFiles: Readonly<Record<Family, readonly TokenizerFile[]>> = {
  "chatglm-6b": ["ice_text.model", "tokenizer.model"],
  "chatglm2-6b": ["tokenizer.model"],
  "chatglm3-6b": ["tokenizer.model"],
  "glm-4-9b": ["tokenizer.model", "tokenizer.json"],
};

/** Where a tokenizer is looked for; files of other families are refused by what they are. */
const fileNames = (family: Family | undefined): readonly string[] =>
  family === "chatglm-6b" ? tokenizerFiles[family] : tokenizerFileNames;

/**
 * Loads the tokenizer of a checkpoint folder: ice_text.model, tokenizer.model (SentencePiece or tiktoken) or
 * tokenizer.json, told apart by what they hold.
 * @param family whose tokenizer is expected. Without it, the files decide; SentencePiece's do not name the special
 * tokens that follow, so there it is `special_tokens` of tokenizer_config.json, else ChatGLM3's, which begin with
 * ChatGLM2's.
 * @throws GlmError `model-not-found` or `model-invalid`, naming the file
 */
export async function loadTokenizer(folder: string, family?: Family): Promise<Tokenizer> {
  const { path, bytes } = await tokenizerFile(folder, fileNames(family));
  const config = (await readJson(join(folder, "tokenizer_config.json"))) ?? {};
  const subject = `Tokenizer ${path}`;
  if (path.endsWith(".json")) {
    const refuse = ({ got }: NotUtf8): GlmError =>
      new GlmError("model-invalid", `${path}: expected text in UTF-8, got ${got}. Copy the file again.`);
    const json = parseJson(mustDecode(bytes, refuse), path);
    if (!isByteLevel(json)) {
      throw new GlmError(
        "model-invalid",
        `${subject}: expected a byte-level BPE tokenizer, got ${kindOf(json)}. Use GLM-4's own.`,
      );
    }
    checkFamily(subject, family, ["glm-4-9b"]);
    return byteLevelTokenizer(json, subject);
  }
  if (isTiktoken(bytes)) {
    checkFamily(subject, family, ["glm-4-9b"]);
    return byteLevelTokenizer(readTiktoken(bytes, addedTokens(folder, config), subject), subject);
  }
  const model = readPieces(bytes, subject);
  if (isIceText(model)) {
    checkFamily(subject, family, ["chatglm-6b"]);
    return iceText(folder, path, model, config);
  }
  checkFamily(subject, family, ["chatglm2-6b", "chatglm3-6b"]);
  const special =
    family === "chatglm2-6b" || family === "chatglm3-6b"
      ? specialTokens[family]
      : (names(folder, config, "special_tokens") ?? specialTokens["chatglm3-6b"]);
  return sentencePieceTokenizer(path, model, special);
}

async function tokenizerFile(folder: string, names: readonly string[]): Promise<{ path: string; bytes: Buffer }> {
  const faults: string[] = [];
  let isThere = false;
  for (const name of names) {
    const path = join(folder, name);
    try {
      return { path, bytes: await readWhole(path) };
    } catch (cause) {
      faults.push(cause instanceof Error ? cause.message : String(cause));
      isThere ||= (cause as NodeJS.ErrnoException).code !== "ENOENT";
    }
  }
  throw new GlmError(
    "model-not-found",
    `Tokenizer in ${folder}: expected ${names.join(" or ")}, got${isThere ? `:${faultLines(faults)}\n` : " none of them. "}` +
      "Copy the tokenizer's files of the checkpoint into the folder.",
  );
}

function checkFamily(subject: string, expected: Family | undefined, possible: readonly Family[]): void {
  if (expected === undefined || possible.includes(expected)) return;
  throw new GlmError(
    "model-invalid",
    `${subject}: expected the tokenizer of ${expected}, got one of ${possible.join(" or ")}. Copy the model's own files into the folder.`,
  );
}

async function iceText(folder: string, path: string, model: PieceModel, config: Json): Promise<Tokenizer> {
  const { num_image_tokens: imageTokens } = config;
  if (imageTokens !== undefined && !(Number.isSafeInteger(imageTokens) && Number(imageTokens) >= 0)) {
    throw invalid(folder, "num_image_tokens is a number of tokens", imageTokens);
  }
  const vocabulary = (await readJson(join(folder, "config.json")))?.vocab_size;
  return iceTextTokenizer(path, model, {
    imageTokens: imageTokens === undefined ? undefined : Number(imageTokens),
    vocabulary: typeof vocabulary === "number" ? vocabulary : undefined,
  });
}

/** GLM-4's special tokens: with their ids where tokenizer_config.json gives them, else in its order, else the published. */
function addedTokens(folder: string, config: Json): readonly (string | AddedToken)[] {
  const { added_tokens_decoder: decoder } = config;
  if (typeof decoder !== "object" || decoder === null) {
    return names(folder, config, "additional_special_tokens") ?? specialTokens["glm-4-9b"];
  }
  return Object.entries(decoder).map(([id, token]) => {
    const content: unknown = token?.content;
    if (!/^\d+$/.test(id) || typeof content !== "string") {
      throw invalid(folder, "added_tokens_decoder gives the content of ids", { [id]: token });
    }
    return { id: Number(id), content };
  });
}

function names(folder: string, config: Json, key: string): readonly string[] | undefined {
  const value = config[key];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw invalid(folder, `${key}, if any, is a list of names`, value);
}

function invalid(folder: string, expected: string, got: unknown): GlmError {
  return new GlmError(
    "model-invalid",
    `${join(folder, "tokenizer_config.json")}: expected JSON whose ${expected}, got ${shownJson(got)}. Correct or remove the file.`,
  );
}

function kindOf(json: Json): string {
  const type = (json.model as { type?: unknown } | null | undefined)?.type;
  return type === undefined ? "no model" : `a model of type ${shownJson(type)} or one that is cut off`;
}
