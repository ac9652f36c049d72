/** @file An adapter's folder, whatever its method: LoRA as PEFT writes it, others in files of our own, prefixes of anybody's. */
import { join } from "node:path";
import { replaceFiles, textFile } from "../files.ts";
import { isFile } from "../regular-file.ts";
import { adaLoraFiles, readAdaLora } from "./ada-lora-files.ts";
import type { AdapterConfig, AdapterTensors, BaseModel } from "./adapter.ts";
import { type AdapterDocuments, documentNames, readDocuments } from "./documents.ts";
import { methodIn, ownFiles, readOwn } from "./own-files.ts";
import { readPeft, storedTensors, writePeft } from "./peft.ts";
import { prefixTensors, readPrefix } from "./prefix-files.ts";

export interface StoredAdapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
  readonly documents: AdapterDocuments;
}

/** What was read, with what its user should know: that it names modules which this model has not. */
export interface LoadedAdapter extends StoredAdapter {
  readonly note?: string;
}

const CONFIG = "adapter_config.json";

/**
 * Writes an adapter; its files take their places only when all are complete.
 * @param baseModel name or folder of the model it belongs to
 * @throws GlmError "disk" when they cannot be written; what was there before is then untouched
 */
export async function writeAdapter(
  folder: string,
  { config, tensors, documents }: StoredAdapter,
  baseModel: string,
): Promise<void> {
  // Another adapter was saved here before: its documents must not pass for this one's. Elsewhere they are somebody else's.
  const replaced = await isFile(join(folder, CONFIG));
  const beside = {
    files: Object.entries(documents).map(([name, text]) => textFile(name, text)),
    obsolete: (name: string) => replaced && documentNames.some((known) => known === name),
  };
  if (config.method === "lora") return writePeft(folder, config, tensors, baseModel, beside);
  const files =
    config.method === "adaLora"
      ? adaLoraFiles({ config, tensors }, baseModel)
      : ownFiles({ config, tensors }, baseModel);
  await replaceFiles(folder, [...beside.files, ...files], beside.obsolete);
}

/**
 * Reads what `writeAdapter`, PEFT or P-tuning's published scripts wrote, and checks it against the model it is to lie on.
 * @throws GlmError "adapter-not-found" without the files, "adapter-invalid" with every fault
 */
export async function readAdapter(folder: string, base: BaseModel): Promise<LoadedAdapter> {
  return { ...(await readFiles(folder, base)), documents: await readDocuments(folder) };
}

async function readFiles(folder: string, base: BaseModel): Promise<Omit<LoadedAdapter, "documents">> {
  const json = await methodIn(folder);
  const { method, peft_type: type } = json;
  if (method !== undefined) return readOwn(folder, base);
  if (type === "ADALORA") return readAdaLora(folder, { ...json }, await storedTensors(folder), base);
  const prefix = type === undefined || type === "PREFIX_TUNING" ? await prefixTensors(folder) : undefined;
  return prefix ? readPrefix(folder, base, prefix) : readPeft(folder, base);
}
