/** @file An adapter's folder, whatever its method: LoRA as PEFT writes it, trained base parameters under their own names. */
import { join } from "node:path";
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { replaceFiles, textFile } from "../files.ts";
import { isFile, readText } from "../regular-file.ts";
import { readHeader } from "../weights/header.ts";
import { safetensorsFile, sourcesOf } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { AdapterConfig, AdapterTensors, BaseModel, FullConfig } from "./adapter.ts";
import { type AdapterDocuments, documentNames, readDocuments } from "./documents.ts";
import { createAdapter } from "./methods.ts";
import { readPeft, writePeft } from "./peft.ts";
import { asAdapter, readStored } from "./stored-tensors.ts";

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
const TENSORS = "adapter_model.safetensors";

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
  const text = `${JSON.stringify({ ...config, base_model_name_or_path: baseModel }, null, 2)}\n`;
  const files = [safetensorsFile(TENSORS, sourcesOf(tensors)), ...beside.files, textFile(CONFIG, text)];
  await replaceFiles(folder, files, beside.obsolete);
}

/**
 * Reads what `writeAdapter` or PEFT wrote, and checks it against the model it is to lie on.
 * @throws GlmError "adapter-not-found" without the files, "adapter-invalid" with every fault
 */
export async function readAdapter(folder: string, base: BaseModel): Promise<LoadedAdapter> {
  const text = await readText(join(folder, CONFIG)).catch(() => undefined);
  const isOurs = text !== undefined && isFull(text);
  const read = isOurs ? await readFull(folder, JSON.parse(text) as FullConfig, base) : await readPeft(folder, base);
  return { ...read, documents: await readDocuments(folder) };
}

function isFull(text: string): boolean {
  try {
    return (JSON.parse(text) as { method?: unknown } | null)?.method === "full";
  } catch {
    return false;
  }
}

async function readFull(
  folder: string,
  { match }: FullConfig,
  base: BaseModel,
): Promise<Omit<StoredAdapter, "documents">> {
  const config: AdapterConfig = { method: "full", ...(match ? { match } : {}) };
  const { isAdapterConfig } = await import("./config-schema.ts");
  if (!isAdapterConfig(config)) {
    const got = describe(match);
    throw new GlmError(
      "adapter-invalid",
      `${join(folder, CONFIG)}: match: expected a list of names, got ${got}. Save it again.`,
    );
  }
  const header = await asAdapter(() => readHeader(join(folder, TENSORS)));
  const stored = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const faults: string[] = [];
  const wanted: StoredTensor[] = [];
  for (const { name, shape } of createAdapter(config, base).parameters) {
    const value = stored.get(name);
    if (!value || String(value.shape) !== String(shape)) {
      faults.push(`${name}: expected [${shape}], got ${value ? `[${value.shape}]` : "nothing"}`);
    } else if (!value.dtype.includes("float")) {
      faults.push(`${name}: expected numbers of a float type, got ${value.dtype}`);
    } else wanted.push(value);
  }
  if (faults.length > 0) throw unfit(folder, faults);
  const { tensors, faults: notFinite } = await readStored(wanted.map((stored) => [stored.name, stored]));
  if (notFinite.length > 0) throw unfit(folder, notFinite);
  return { config, tensors };
}

function unfit(folder: string, faults: readonly string[]): GlmError {
  return new GlmError("adapter-invalid", `${folder}: the adapter does not fit this model:${faultLines(faults)}`);
}
