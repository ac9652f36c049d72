/** @file A model folder's config.json. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type ChatGLMConfig, readConfig } from "../models/config.ts";
import { readText } from "../regular-file.ts";
import { readBytes, withFile } from "../weights/bytes.ts";

/** Published ones have one or two kilobytes. */
const maxBytes = 2 ** 20;

/**
 * Reads and checks it.
 * @returns what it says, and its text
 * @throws GlmError "model-not-found" without the file, "model-invalid" or "unsupported" with all of its faults
 */
export async function readConfigFile(
  folder: string,
): Promise<{ readonly config: ChatGLMConfig; readonly text: string }> {
  const file = join(folder, "config.json");
  const text = await withFile(file, "a model's folder with its configuration", async (handle, fileBytes) => {
    if (fileBytes > maxBytes) throw invalid(file, `${fileBytes} bytes`);
    return new TextDecoder().decode(await readBytes(handle, file, 0, fileBytes));
  });
  const tokenizer = await readText(join(folder, "tokenizer_config.json")).catch(() => "");
  return { config: readConfig(parsed(text, file), file, { roles: tokenizer.includes("<|user|>") }), text };
}

function parsed(text: string, file: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(file, "no JSON");
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw invalid(file, "JSON of another kind");
}

const invalid = (file: string, got: string): GlmError =>
  new GlmError("model-invalid", `${file}: expected a JSON object, got ${got}. Fetch the file again.`);
