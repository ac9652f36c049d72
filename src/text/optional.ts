/** @file The tokenizer of a model that may have none: asking for logits of token ids, or for gradients, needs no text. */
import { GlmError } from "../errors.ts";
import type { Family } from "../models/family.ts";
import { loadTokenizer } from "./load.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface OptionalTokenizer {
  /** Undefined where its files are not there. */
  readonly found: Tokenizer | undefined;
  /** @throws GlmError "model-not-found" that says which files are missing */
  get(): Tokenizer;
}

/**
 * Loads the tokenizer of a checkpoint folder where there is one. Files that are there and damaged are refused at once.
 * @throws GlmError "model-invalid", naming the file
 */
export async function optionalTokenizer(folder: string, family: Family): Promise<OptionalTokenizer> {
  try {
    const tokenizer = await loadTokenizer(folder, family);
    return { found: tokenizer, get: () => tokenizer };
  } catch (error) {
    if (!(error instanceof GlmError && error.code === "model-not-found")) throw error;
    const { message } = error;
    return {
      found: undefined,
      get() {
        throw new GlmError("model-not-found", `${message} Then load the model again.`, { cause: error });
      },
    };
  }
}
