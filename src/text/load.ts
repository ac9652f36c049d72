/** @file Finds out which tokenizer a checkpoint folder holds and loads it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import type { Family } from "../models/family.ts";
import { loadSentencePiece } from "./sentencepiece.ts";
import type { Tokenizer } from "./tokenizer.ts";

const prefixTokens: readonly string[] = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];

/** The special tokens of each family, in the order of their ids. */
const familyTokens: Record<Family, readonly string[]> = {
  "chatglm-6b": [],
  "chatglm2-6b": prefixTokens,
  "chatglm3-6b": [...prefixTokens, "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
  "glm-4-9b": [],
};

/**
 * Loads the tokenizer of a checkpoint folder.
 * @param family whose special tokens follow the pieces. Without it, `special_tokens` of tokenizer_config.json decides,
 * else ChatGLM3's, which begin with ChatGLM2's.
 * @throws GlmError `model-not-found` or `model-invalid`, naming the file
 */
export async function loadTokenizer(folder: string, family?: Family): Promise<Tokenizer> {
  const special = family ? familyTokens[family] : ((await configuredTokens(folder)) ?? familyTokens["chatglm3-6b"]);
  return loadSentencePiece(join(folder, "tokenizer.model"), special);
}

async function configuredTokens(folder: string): Promise<string[] | undefined> {
  const path = join(folder, "tokenizer_config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  let tokens: unknown;
  try {
    tokens = (JSON.parse(text) as { special_tokens?: unknown } | null)?.special_tokens;
  } catch (cause) {
    throw invalid(path, "text that is not JSON", cause);
  }
  if (tokens === undefined) return undefined;
  if (Array.isArray(tokens) && tokens.every((token) => typeof token === "string")) return tokens;
  throw invalid(path, `special_tokens = ${JSON.stringify(tokens)}`);
}

function invalid(path: string, got: string, cause?: unknown): GlmError {
  return new GlmError(
    "model-invalid",
    `${path}: expected JSON whose special_tokens, if any, is a list of names, got ${got}. Correct or remove the file.`,
    { cause },
  );
}
