/** @file A model folder's config.json. */
import { dirname, join } from "node:path";
import { GlmError } from "../errors.ts";
import { readBytes, withFile } from "../file-bytes.ts";
import { type ChatGLMConfig, type Family, readConfig } from "../models/config.ts";
import { familyOf } from "../models/family-of.ts";
import { tokenizerEvidence } from "../text/evidence.ts";
import { mustDecode } from "../text-encoding.ts";

/** Published ones have one or two kilobytes. */
const maxBytes = 2 ** 20;

export interface ConfigFile {
  readonly config: ChatGLMConfig;
  readonly text: string;
  /** Whether its family is another than its text alone says. */
  readonly otherFamily: boolean;
  /** What its user should know: that its family is a guess. */
  readonly note?: string;
}

export interface AskedModel {
  readonly name?: string;
  readonly family?: Family | undefined;
}

/** As `readConfigAt`, of a model's folder. */
export const readConfigFile = (folder: string, asked?: AskedModel): Promise<ConfigFile> =>
  readConfigAt(join(folder, "config.json"), asked);

/**
 * Reads and checks it, with what the tokenizer's files beside it tell of the model's family.
 * @param asked the name that the model was asked for by, and the family that its user says it is
 * @throws GlmError "model-not-found" without the file, "model-invalid" or "unsupported" with all of its faults,
 * "option-invalid" for a family that it cannot be
 */
export async function readConfigAt(file: string, asked: AskedModel = {}): Promise<ConfigFile> {
  const folder = dirname(file);
  const text = await withFile(file, "a model's folder with its configuration", async (handle, fileBytes) => {
    if (fileBytes > maxBytes) throw invalid(file, `${fileBytes} bytes`);
    return mustDecode(await readBytes(handle, file, 0, fileBytes), ({ got }) => invalid(file, got));
  });
  const json = parsed(text, file);
  const { names, ...evidence } = await tokenizerEvidence(folder);
  const hints = { ...evidence, names: [...names, ...(asked.name === undefined ? [] : [asked.name]), folder] };
  const config = readConfig(json, file, { ...hints, family: asked.family });
  if (config.layout !== "glm") return { config, text, otherFamily: false };
  const { guess } = familyOf(json, hints);
  return {
    config,
    text,
    otherFamily: config.family !== familyOf(json, {}).family,
    ...(guess === undefined || asked.family !== undefined ? {} : { note: guessed(config.family, guess) }),
  };
}

const guessed = (family: Family, guess: string): string =>
  `Taken for a ${family}: that is a guess (${guess}). If it is another, say so: --family, or { family } in load().`;

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
