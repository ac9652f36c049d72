/** @file Adapters that PEFT has no form for, in files of our own: tensors by the names of the published code, and the method. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { FileToWrite } from "../files.ts";
import type { ParameterSpec } from "../models/context.ts";
import { readText } from "../regular-file.ts";
import { readHeader } from "../weights/header.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { AdapterConfig, AdapterTensors, BaseModel } from "./adapter.ts";
import { adapterFiles, CONFIG_FILE, mustHaveTensors, TENSORS_FILE } from "./adapter-files.ts";
import { createAdapter } from "./methods.ts";
import { asAdapter, readStored } from "./stored-tensors.ts";

export interface OwnAdapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
  readonly name?: string;
}

/** @param baseModel name or folder of the model it belongs to */
export function ownFiles({ config, tensors, name }: OwnAdapter, baseModel: string): FileToWrite[] {
  return adapterFiles({ ...config, base_model_name_or_path: baseModel }, tensors, name);
}

/** What a folder's adapter_config.json calls its method: in our words, or in PEFT's. Empty where there is none that can be read. */
export async function methodIn(folder: string): Promise<{ readonly method?: unknown; readonly peft_type?: unknown }> {
  try {
    return (JSON.parse(await readText(join(folder, CONFIG_FILE))) as object | null) ?? {};
  } catch {
    return {};
  }
}

/**
 * Reads what `ownFiles` are.
 * @throws GlmError "adapter-invalid" with everything that does not fit the base
 */
export async function readOwn(folder: string, base: BaseModel): Promise<OwnAdapter> {
  const path = join(folder, CONFIG_FILE);
  const { base_model_name_or_path: _, ...config } = JSON.parse(await readText(path)) as Record<string, unknown>;
  const { configFault, isAdapterConfig } = await import("./config-schema.ts");
  if (!isAdapterConfig(config))
    throw new GlmError("adapter-invalid", `${path}: ${configFault(config)}. Save it again.`);
  await mustHaveTensors(folder);
  const header = await asAdapter(() => readHeader(join(folder, TENSORS_FILE)));
  const stored = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  return { config, tensors: await fitting(folder, createAdapter(config, base).parameters, stored) };
}

/** An adapter's tensors among stored ones, all of which it must have. */
export async function fitting(
  folder: string,
  parameters: readonly ParameterSpec[],
  stored: ReadonlyMap<string, StoredTensor>,
): Promise<AdapterTensors> {
  const faults: string[] = [];
  const wanted: [string, StoredTensor][] = [];
  for (const { name, shape } of parameters) {
    const value = stored.get(name);
    if (!value || String(value.shape) !== String(shape)) {
      faults.push(`${name}: expected [${shape}], got ${value ? `[${value.shape}]` : "nothing"}`);
    } else if (!value.dtype.includes("float")) {
      faults.push(`${name}: expected numbers of a float type, got ${value.dtype}`);
    } else wanted.push([name, value]);
  }
  if (faults.length > 0) throw unfit(folder, faults);
  const { tensors, faults: notFinite } = await readStored(wanted);
  if (notFinite.length > 0) throw unfit(folder, notFinite);
  return tensors;
}

function unfit(folder: string, faults: readonly string[]): GlmError {
  return new GlmError("adapter-invalid", `${folder}: the adapter does not fit this model:${faultLines(faults)}`);
}
