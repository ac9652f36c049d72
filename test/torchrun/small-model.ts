/** @file The reference model in GLM-4's own layout, which transformers itself has the code of, with a tokenizer of its few tokens. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packageFolder } from "../../src/version.ts";

const fixtures = join(packageFolder, "test", "fixtures");
const VOCABULARY = 160;

interface TokenizerJson {
  readonly model: object;
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

/** Writes it into a folder. Its tokenizer knows ASCII, a byte a token. */
export async function writeSmallModel(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ["config.json", "model.safetensors"])
    await cp(join(fixtures, "oracle", "glm-4-9b-hf", name), join(folder, name));
  const file = join(fixtures, "text", "glm-4-9b-hf", "tokenizer.json");
  const json = JSON.parse(await readFile(file, "utf8")) as TokenizerJson;
  const first = VOCABULARY - json.added_tokens.length;
  // As byte-level tokenizers write bytes that are no visible characters: space is Ġ, newline Ċ.
  const tokens = [
    "Ċ",
    "Ġ",
    ..."!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
  ];
  const small = {
    ...json,
    model: { ...json.model, vocab: Object.fromEntries(tokens.map((token, i) => [token, i])), merges: [] },
    added_tokens: json.added_tokens.map((token, i) => ({ ...token, id: first + i })),
  };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(small));
}
