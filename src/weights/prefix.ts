/** @file P-tuning v2's trained prefix among a checkpoint's tensors: no part of a model, and called what it is. */
import { GlmError } from "../errors.ts";
import { openCheckpoint } from "./checkpoint.ts";

/** Whether a tensor belongs to a prefix encoder, as P-tuning v2 saves it. */
export const isPrefix = (name: string): boolean => /(^|\.)prefix_encoder\./.test(name);

/** Whether a folder's weights are a prefix and nothing else; false where there are none that can be read. */
export async function holdsPrefixOnly(folder: string): Promise<boolean> {
  const checkpoint = await openCheckpoint(folder).catch(() => undefined);
  return checkpoint !== undefined && isPrefixOnly(checkpoint.tensors.keys());
}

/** Names as P-tuning's scripts save them: whole, or as the prefix encoder's own. */
export function isPrefixOnly(names: Iterable<string>): boolean {
  const all = [...names];
  const own = /^(prompt_embeddings|(transformer\.)?(prefix_encoder\.)?(embedding|trans\.[02])\.(weight|bias))$/;
  return all.length > 0 && all.every((name) => isPrefix(name) || own.test(name));
}

/** What lays the prefix of a folder over its model, with the folder as a magic's line takes it. */
export function prefixRemedy(folder: string): string {
  const word = /^[^\s"'\\;]+$/.test(folder) ? folder : JSON.stringify(folder);
  return `%adapter load NAME ${word}, or loadAdapter(name, folder)`;
}

/** The error for a folder with a prefix and nothing else, where a model is expected. */
export const prefixAlone = (folder: string): GlmError =>
  new GlmError(
    "model-invalid",
    `${folder}: expected a model, got a prefix alone that was trained with P-tuning v2 (prefix_encoder). Load its base model, ` +
      `then the prefix on it: ${prefixRemedy(folder)}.`,
  );
