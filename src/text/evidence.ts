/** @file What the files of a folder's tokenizer tell of the model's generation, without loading it. */
import { join } from "node:path";
import type { TokenizerEvidence } from "../models/family-of.ts";
import { readWhole } from "../regular-file.ts";
import { isTiktoken } from "./tiktoken.ts";

/** Files that name special tokens, Python's code for them included: it is read, and never run. */
const namingFiles = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "tokenization_chatglm.py",
] as const;

/** Tokens for roles that ChatGLM3 has and ChatGLM2 has not, and one that both have. */
const [roles, both] = [["<|user|>", "<|assistant|>", "<|observation|>"], "[gMASK]"];

/** @returns also the names that the files give, of where the tokenizer was loaded from */
export async function tokenizerEvidence(
  folder: string,
): Promise<TokenizerEvidence & { readonly names: readonly string[] }> {
  const read = (name: string): Promise<Buffer | undefined> => readWhole(join(folder, name)).catch(() => undefined);
  const [model, json, ...naming] = await Promise.all(["tokenizer.model", "tokenizer.json", ...namingFiles].map(read));
  // GLM-4 alone has pairs of bytes, in either form.
  if (model ? isTiktoken(model) : json !== undefined) return { byteLevel: true, names: [] };
  const texts = naming.flatMap((file) => (file ? [file] : []));
  const has = (token: string): boolean => [...texts, ...(model ? [model] : [])].some((text) => text.includes(token));
  return {
    roles: roles.some(has),
    listed: texts.some((text) => text.includes(both)),
    names: nameIn(naming[0]?.toString("utf8")),
  };
}

function nameIn(tokenizerConfig = ""): string[] {
  try {
    const { name_or_path: name } = (JSON.parse(tokenizerConfig) ?? {}) as { name_or_path?: unknown };
    return typeof name === "string" ? [name] : [];
  } catch {
    // Who loads the tokenizer says what is wrong with the file.
    return [];
  }
}
