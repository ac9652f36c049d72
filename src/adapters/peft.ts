/** @file PEFT's files for LoRA: adapter_config.json and adapter_model.safetensors, read and written. */

import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { faultLines, MAX_FAULTS } from "../fault-list.ts";
import type { FileToWrite } from "../files.ts";
import { namesIn, readText } from "../regular-file.ts";
import { nearest } from "../suggestion.ts";
import { readHeader } from "../weights/header.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { readTorch } from "../weights/torch.ts";
import type { AdapterTensors, BaseModel, LoraConfig } from "./adapter.ts";
import { adapterFiles, CONFIG_FILE, mustHaveTensors, OLDER_TENSORS_FILE, TENSORS_FILE } from "./adapter-files.ts";
import { lora } from "./lora.ts";
import { parsePeftConfig, peftConfig } from "./peft-config.ts";
import { asAdapter, readStored } from "./stored-tensors.ts";
import { changedTables, tablesBeside } from "./tables-beside.ts";
import { targetable } from "./targets.ts";

export interface PeftAdapter {
  readonly config: LoraConfig;
  readonly tensors: AdapterTensors;
  /** What its user should know: targets that this model has not. */
  readonly note?: string;
}

/**
 * Reads a LoRA that PEFT saved or `peftFiles` are, and checks it against the model it is to lie on.
 * @throws GlmError "adapter-not-found" without the files; "adapter-invalid" with every fault, "unsupported" when the
 * adapter uses something that is not supported
 */
export async function readPeft(folder: string, base: BaseModel): Promise<PeftAdapter> {
  const json = await readConfig(folder);
  const stored = await storedTensors(folder);
  const { config, ...noted } = parsePeftConfig(json, join(folder, CONFIG_FILE), targetable(base), stored.keys());
  // The configuration says which tensors there must be; `lora` knows their names and shapes.
  const expected = new Map(lora(config, base).parameters.map(({ name, shape }) => [name, shape]));
  const older = new Set([...expected.keys()].map(olderName));
  const faults: string[] = [];
  const wanted: [name: string, value: StoredTensor][] = [];
  const missing: string[] = [];
  for (const [name, shape] of expected) {
    const value = stored.get(name) ?? stored.get(olderName(name));
    if (!value) {
      missing.push(name);
      faults.push(`${name} is missing: expected [${shape}]`);
    } else if (String(value.shape) !== String(shape)) faults.push(`${name}: expected [${shape}], got [${value.shape}]`);
    else if (!value.dtype.includes("float"))
      faults.push(`${name}: expected numbers of a float type, got ${value.dtype}`);
    else wanted.push([name, value]);
  }
  // First what is there under another name: that may be what is missing.
  const beside = tablesBeside(
    [...stored.values()].filter(({ name }) => !expected.has(name)),
    base,
  );
  const strangers = [...stored.keys()].filter((name) => !expected.has(name) && !older.has(name) && !beside.has(name));
  faults.unshift(...strangers.slice(0, MAX_FAULTS).map((name) => strangerFault(name, missing)));
  if (strangers.length > MAX_FAULTS)
    faults.push(`${strangers.length - MAX_FAULTS} more belong to nothing in this model`);
  if (faults.length > 0) throw invalid(folder, faults);
  const { tensors, faults: notFinite } = await readStored(wanted);
  if (notFinite.length > 0) throw invalid(folder, notFinite);
  const changed = await changedTables(beside, base);
  if (changed.length > 0) throw invalid(folder, changed);
  return { config, tensors, ...noted };
}

/** A tensor that the adapter has not, with the name that it should have: its own in PEFT's files, else the nearest. */
function strangerFault(name: string, missing: readonly string[]): string {
  // A state dict that was saved by hand has the adapter's name in it, and may lack the wrapper's.
  const plain = name
    .replace(/\.(lora_[AB])\.[^.]+\.weight$/, ".$1.weight")
    .replace(/\.(lora_embedding_[AB]|lora_magnitude_vector)\..+$/, ".$1");
  const own = [plain, `base_model.model.${plain}`].find((one) => missing.includes(one)) ?? nearest(name, missing);
  return `${name} belongs to nothing in this model.${own === undefined ? "" : ` Did you mean ${own}?`}`;
}

/** @param baseModel name or folder of the model it was trained on, for PEFT to find it again */
export const peftFiles = (
  { config, tensors, name }: Pick<PeftAdapter, "config" | "tensors"> & { readonly name?: string },
  baseModel: string,
): FileToWrite[] => adapterFiles(peftConfig(config, baseModel), tensors, name);

/** Releases before 0.6 had no level between an adapted module and its own bias. */
const olderName = (name: string): string => name.replace(/\.base_layer\.bias$/, ".bias");

async function readConfig(folder: string): Promise<unknown> {
  const names = await namesIn(folder).catch(() => undefined);
  if (!names)
    throw new GlmError(
      "adapter-not-found",
      `${folder}: expected a folder with an adapter, but there is none. Check the path.`,
    );
  if (!names.includes(CONFIG_FILE)) {
    throw new GlmError(
      "adapter-not-found",
      `${folder}: expected ${CONFIG_FILE} and ${TENSORS_FILE}, got ${names.slice(0, 10).join(", ") || "an empty folder"}. ` +
        "Name the folder that PEFT's save_pretrained or adapter.save wrote.",
    );
  }
  await mustHaveTensors(folder);
  try {
    return JSON.parse(await readText(join(folder, CONFIG_FILE)));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError(
      "adapter-invalid",
      `${join(folder, CONFIG_FILE)}: expected JSON, got something else (${why}). Save or copy the adapter again.`,
      { cause },
    );
  }
}

/** The tensors of an adapter's file, by name. */
export const storedTensors = (folder: string): Promise<ReadonlyMap<string, StoredTensor>> =>
  asAdapter(() => storedIn(folder));

async function storedIn(folder: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const isOlder = !(await namesIn(folder)).includes(TENSORS_FILE);
  const tensors = isOlder
    ? await readTorch(join(folder, OLDER_TENSORS_FILE))
    : (await readHeader(join(folder, TENSORS_FILE))).tensors;
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function invalid(folder: string, faults: readonly string[]): GlmError {
  return new GlmError(
    "adapter-invalid",
    `${folder}: this adapter does not fit the model; load it on the model it was trained on:${faultLines(faults)}`,
  );
}
