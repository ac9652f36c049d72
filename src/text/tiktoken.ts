/** @file GLM-4's tokenizer.model: tiktoken's ranks, a line of base64 and a number each, as the tokenizer.json they mean. */
import { GlmError } from "../errors.ts";
import { quoted } from "../text-cut.ts";
import { type AddedToken, byteCharacters, type TokenizerJson } from "./byte-level.ts";

/** GLM-4's published way to cut a text into words, none of which a token crosses. */
const words =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const line = /^([A-Za-z0-9+/]+=*) (\d+)$/;

/** Whether a file holds tiktoken's ranks, by its first line. */
export function isTiktoken(bytes: Uint8Array): boolean {
  return line.test(Buffer.from(bytes.subarray(0, 1024)).toString("latin1").split(/\r?\n/, 1)[0] ?? "");
}

/**
 * @param special names of the special tokens, whose ids follow the ranks; or the ids too
 * @param subject the file, for messages
 * @throws GlmError `model-invalid` with the first line that cannot be read
 */
export function readTiktoken(
  bytes: Uint8Array,
  special: readonly (string | AddedToken)[],
  subject: string,
): TokenizerJson {
  const fault = (place: string, expected: string, got: string): GlmError =>
    new GlmError(
      "model-invalid",
      `${subject}${place}: expected ${expected}, got ${got}. Download the file again; it may be cut off.`,
    );
  /** The tokens by rank, their bytes written as in tokenizer.json. */
  const tokens: string[] = [];
  let count = 0;
  for (const [i, text] of Buffer.from(bytes).toString("latin1").split(/\r?\n/).entries()) {
    if (text === "") continue;
    const [, token, rank] = line.exec(text) ?? [];
    if (token === undefined || tokens[Number(rank)] !== undefined) {
      const got = quoted(text);
      throw fault(`, line ${i + 1}`, "a token in base64 and a rank of its own", got);
    }
    tokens[Number(rank)] = Array.from(Buffer.from(token, "base64"), (byte) => byteCharacters[byte]).join("");
    count++;
  }
  if (count !== tokens.length) throw fault("", `${tokens.length} tokens, one of each rank`, String(count));
  const added = special.map((token, i) => (typeof token === "string" ? { id: count + i, content: token } : token));
  const first = Math.min(...added.map(({ id }) => id));
  if (added.length > 0 && first !== count) {
    throw fault("", `${first} tokens, which the special tokens follow`, String(count));
  }
  return {
    version: "1.0",
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: words }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    added_tokens: added,
    // A word that is a token is that token, even where merging would not lead there.
    model: {
      type: "BPE",
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.map((token, rank) => [token, rank])),
      merges: merges(tokens),
    },
  };
}

/** tiktoken merges the two neighbours that make the token of lowest rank: every way to part a token is a merge. */
function merges(tokens: readonly string[]): [string, string][] {
  const ranks = new Map(tokens.map((token, rank) => [token, rank]));
  return tokens.flatMap((token) => {
    const parts: { left: string; right: string; order: readonly [number, number] }[] = [];
    for (let at = 1; at < token.length; at++) {
      const [left, right] = [token.slice(0, at), token.slice(at)];
      const [first, second] = [ranks.get(left), ranks.get(right)];
      if (first !== undefined && second !== undefined) parts.push({ left, right, order: [first, second] });
    }
    parts.sort((a, b) => a.order[0] - b.order[0] || a.order[1] - b.order[1]);
    return parts.map(({ left, right }): [string, string] => [left, right]);
  });
}
