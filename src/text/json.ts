/** @file Reads the small JSON files of a checkpoint folder. */
import { isTooDeep, shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { readText } from "../regular-file.ts";

export type Json = Readonly<Record<string, unknown>>;

/**
 * The object in a JSON file; undefined without the file.
 * @throws GlmError `model-invalid` when there is anything else in it
 */
export async function readJson(path: string): Promise<Json | undefined> {
  const text = await readText(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw unusable(path, cause.message, cause);
  });
  return text === undefined ? undefined : parseJson(text, path);
}

/**
 * @param path of the file that the text is from, for messages
 * @throws GlmError `model-invalid` when the text is not a JSON object
 */
export function parseJson(text: string, path: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusable(path, "text that is not JSON", cause);
  }
  if (isTooDeep(value)) throw unusable(path, "values within each other without end");
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw unusable(path, shownJson(value, 60));
}

function unusable(path: string, got: string, cause?: unknown): GlmError {
  return new GlmError("model-invalid", `${path}: expected a JSON object, got ${got}. Correct or remove the file.`, {
    cause,
  });
}
