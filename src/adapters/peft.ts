/** @file PEFT's files for LoRA: adapter_config.json and adapter_model.safetensors, read and written. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, replaceFiles, textFile } from "../files.ts";
import { toFloat32 } from "../float32.ts";
import { namesIn, readText } from "../regular-file.ts";
import { suggestion } from "../suggestion.ts";
import { readHeader } from "../weights/header.ts";
import { readTensor, safetensorsFile, sourcesOf } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { readTorch } from "../weights/torch.ts";
import type { AdapterTensors, BaseModel, LoraConfig } from "./adapter.ts";
import { lora } from "./lora.ts";
import { parsePeftConfig, peftConfig } from "./peft-config.ts";

const configName = "adapter_config.json";
const tensorsName = "adapter_model.safetensors";
/** What PEFT wrote before safetensors, and reads only without it. */
const olderTensorsName = "adapter_model.bin";

export interface PeftAdapter {
  readonly config: LoraConfig;
  readonly tensors: AdapterTensors;
}

/**
 * Reads a LoRA that PEFT or `writePeft` saved, and checks it against the model it is to lie on.
 * @throws GlmError "adapter-not-found" without the files; "adapter-invalid" with every fault, "unsupported" when the
 * adapter uses something that is not supported
 */
export async function readPeft(folder: string, base: BaseModel): Promise<PeftAdapter> {
  const config = parsePeftConfig(await readConfig(folder), join(folder, configName), base.modules);
  const stored = await asAdapter(() => storedIn(folder));
  // The configuration says which tensors there must be; `lora` knows their names and shapes.
  const expected = new Map(lora(config, base).parameters.map(({ name, shape }) => [name, shape]));
  const older = new Set([...expected.keys()].map(olderName));
  const faults: string[] = [];
  const wanted: [name: string, value: StoredTensor][] = [];
  for (const [name, shape] of expected) {
    const value = stored.get(name) ?? stored.get(olderName(name));
    if (!value) faults.push(`${name} is missing: expected [${shape}]`);
    else if (String(value.shape) !== String(shape)) faults.push(`${name}: expected [${shape}], got [${value.shape}]`);
    else if (!value.dtype.includes("float"))
      faults.push(`${name}: expected numbers of a float type, got ${value.dtype}`);
    else wanted.push([name, value]);
  }
  const lost = [...expected.keys()].filter((name) => !stored.has(name)).slice(0, 1);
  for (const name of stored.keys()) {
    if (!expected.has(name) && !older.has(name))
      faults.push(`${name} belongs to nothing in this model.${suggestion(name, lost)}`);
  }
  if (faults.length > 0) throw invalid(folder, faults);
  // Only now: what does not fit may be of any size.
  const tensors: AdapterTensors = {};
  for (const [name, value] of wanted) tensors[name] = toFloat32(await asAdapter(() => readTensor(value)));
  return { config, tensors };
}

/** Files that are written with an adapter's own, and those of an earlier adapter that must go. */
export interface FilesBeside {
  readonly files: readonly FileToWrite[];
  obsolete(name: string): boolean;
}

/**
 * Writes a LoRA as PEFT does; its files take their places only when all are complete.
 * @param baseModel name or folder of the model it was trained on, for PEFT to find it again
 * @throws GlmError "disk" when they cannot be written; what was there before is then untouched
 */
export async function writePeft(
  folder: string,
  config: LoraConfig,
  tensors: AdapterTensors,
  baseModel: string,
  beside: FilesBeside = { files: [], obsolete: () => false },
): Promise<void> {
  const written = `${JSON.stringify(peftConfig(config, baseModel), null, 2)}\n`;
  await replaceFiles(
    folder,
    [
      safetensorsFile(tensorsName, sourcesOf(tensors), { format: "pt" }),
      ...beside.files,
      textFile(configName, written),
    ],
    // An older file would mislead people.
    (name) => name === olderTensorsName || beside.obsolete(name),
  );
}

/** Releases before 0.6 had no level between an adapted module and its own bias. */
const olderName = (name: string): string => name.replace(/\.base_layer\.bias$/, ".bias");

async function readConfig(folder: string): Promise<unknown> {
  const names = await namesIn(folder).catch(() => undefined);
  if (!names)
    throw new GlmError(
      "adapter-not-found",
      `${folder}: expected a folder with an adapter, but there is none. Check the path.`,
    );
  if (!names.includes(configName)) {
    throw new GlmError(
      "adapter-not-found",
      `${folder}: expected ${configName} and ${tensorsName}, got ${names.slice(0, 10).join(", ") || "an empty folder"}. ` +
        "Name the folder that PEFT's save_pretrained or adapter.save wrote.",
    );
  }
  if (!names.includes(tensorsName) && !names.includes(olderTensorsName)) {
    throw new GlmError(
      "adapter-not-found",
      `${folder}: expected ${tensorsName} or ${olderTensorsName} beside ${configName}, got neither. Save or copy the adapter again.`,
    );
  }
  try {
    return JSON.parse(await readText(join(folder, configName)));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError(
      "adapter-invalid",
      `${join(folder, configName)}: expected JSON, got something else (${why}). Save or copy the adapter again.`,
      { cause },
    );
  }
}

/** The tensors of an adapter's file, by name. */
async function storedIn(folder: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const isOlder = !(await namesIn(folder)).includes(tensorsName);
  const tensors = isOlder
    ? await readTorch(join(folder, olderTensorsName))
    : (await readHeader(join(folder, tensorsName))).tensors;
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

/** What is wrong with a file of weights is wrong with the adapter. */
export async function asAdapter<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof GlmError ? new GlmError("adapter-invalid", error.message, { cause: error }) : error;
  }
}

function invalid(folder: string, faults: readonly string[]): GlmError {
  const shown = faults.slice(0, 12).map((fault) => `\n- ${fault}`);
  if (faults.length > 12) shown.push(`\n- and ${faults.length - 12} more`);
  return new GlmError(
    "adapter-invalid",
    `${folder}: this adapter does not fit the model; load it on the model it was trained on:${shown.join("")}`,
  );
}
