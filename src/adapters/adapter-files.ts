/** @file What the files of an adapter's folder are called, in PEFT's words, and how they are written. */
import { GlmError } from "../errors.ts";
import { type FileToWrite, textFile } from "../files.ts";
import { namesIn } from "../regular-file.ts";
import { safetensorsFile, sourcesOf } from "../weights/safetensors.ts";
import type { AdapterTensors } from "./adapter.ts";

export const CONFIG_FILE = "adapter_config.json";
export const TENSORS_FILE = "adapter_model.safetensors";
/** What PEFT wrote before safetensors, and reads only without it. */
export const OLDER_TENSORS_FILE = "adapter_model.bin";

export const tensorFileNames: readonly string[] = [TENSORS_FILE, OLDER_TENSORS_FILE];
export const adapterFileNames: readonly string[] = [CONFIG_FILE, ...tensorFileNames];

/** Among what is said of the tensors, which PEFT passes over: the name that the adapter was saved under. */
export const NAME_FIELD = "glmlab_adapter";

/** The two files; the one that leads to the other is last. */
export function adapterFiles(config: object, tensors: AdapterTensors, name?: string): FileToWrite[] {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const said = { format: "pt", ...(name === undefined ? {} : { [NAME_FIELD]: name }) };
  return [safetensorsFile(TENSORS_FILE, sourcesOf(tensors), said), textFile(CONFIG_FILE, text)];
}

/** @throws GlmError "adapter-not-found" when a folder has a configuration and no tensors */
export async function mustHaveTensors(folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (tensorFileNames.some((name) => names.includes(name))) return;
  throw new GlmError(
    "adapter-not-found",
    `${folder}: expected ${TENSORS_FILE} or ${OLDER_TENSORS_FILE} beside ${CONFIG_FILE}, got neither. Save or copy the adapter again.`,
  );
}
