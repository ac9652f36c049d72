/** @file `loadTokenizer`: a tokenizer without its model. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { isEmbedded, modelFolder } from "../hub/model-folder.ts";
import type { Family } from "../models/config.ts";
import { refuse } from "../options.ts";
import * as text from "../text/load.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { familyFaults } from "./load.ts";

/**
 * Loads the tokenizer of a checkpoint folder: ice_text.model, tokenizer.model (SentencePiece or tiktoken) or
 * tokenizer.json, told apart by what they hold.
 * @param name "tiny", or a folder with the tokenizer's files
 * @param family whose tokenizer is expected; without it, the files decide
 * @throws GlmError "model-not-found" or "model-invalid", naming the file
 */
export async function loadTokenizer(name: string, family?: Family): Promise<Tokenizer> {
  if (typeof name !== "string" || name === "") {
    throw new GlmError(
      "model-not-found",
      `loadTokenizer: expected "tiny" or a folder with a tokenizer's files, got ${shownJson(name)}.`,
    );
  }
  refuse("loadTokenizer", familyFaults(family));
  // Unlike a model's folder, a tokenizer's needs no config.json, so that a name with one slash is no hub's id first.
  const folder = (isEmbedded(name) ? await modelFolder(name) : undefined) ?? resolve(name);
  if (existsSync(folder)) return text.loadTokenizer(folder, family);
  throw new GlmError(
    "model-not-found",
    `loadTokenizer ${name}: expected "tiny" or a folder with a tokenizer's files; there is no folder ${folder}. ` +
      "Check the path. A hub's model brings its tokenizer with it: (await load(id)).tokenizer.",
  );
}
