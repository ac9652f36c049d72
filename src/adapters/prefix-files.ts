/**
 * @file Prefixes of P-tuning v2 as others save them: by the published scripts and their descendants, alone or among a whole
 * model's tensors, or by PEFT. The length and whether there is a projection follow from the shapes.
 */
import { join } from "node:path";
import { isFile } from "../regular-file.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { isPrefix, isPrefixOnly } from "../weights/prefix.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { BaseModel, PTuningConfig } from "./adapter.ts";
import { fitting, type OwnAdapter } from "./own-files.ts";
import { ENCODER, pTuning } from "./p-tuning.ts";
import { storedTensors, tensorFiles } from "./peft.ts";

/** What PEFT calls the keys and values of its prefix tuning, in the same order. */
const PEFT_EMBEDDING = "prompt_embeddings";

/** The tensors of a prefix in a folder, by their published names; undefined when it has none. */
export async function prefixTensors(folder: string): Promise<ReadonlyMap<string, StoredTensor> | undefined> {
  const all = await storedIn(folder);
  const alone = isPrefixOnly(all.map(({ name }) => name));
  const own = all.filter(({ name }) => alone || isPrefix(name));
  return own.length === 0 ? undefined : new Map(own.map((tensor) => [publishedName(tensor.name), tensor]));
}

/** @throws GlmError "adapter-invalid" with everything that does not fit the base */
export async function readPrefix(
  folder: string,
  base: BaseModel,
  stored: ReadonlyMap<string, StoredTensor>,
): Promise<OwnAdapter> {
  const [length = 0] = stored.get(`${ENCODER}.embedding.weight`)?.shape ?? [];
  const projection = [...stored.keys()].some((name) => name.startsWith(`${ENCODER}.trans.`));
  const config: PTuningConfig = { method: "pTuning", length: Math.max(1, length), projection, dropout: 0 };
  return { config, tensors: await fitting(folder, pTuning(config, base).parameters, stored) };
}

async function storedIn(folder: string): Promise<readonly StoredTensor[]> {
  const isAdapter = await Promise.all(tensorFiles.map((name) => isFile(join(folder, name))));
  if (isAdapter.includes(true)) return [...(await storedTensors(folder)).values()];
  const checkpoint = await openCheckpoint(folder).catch(() => undefined);
  return [...(checkpoint?.tensors.values() ?? [])];
}

/** "prefix_encoder.trans.0.weight" or "module.transformer.prefix_encoder.trans.0.weight" as "transformer.prefix_encoder.trans.0.weight". */
const publishedName = (name: string): string =>
  name === PEFT_EMBEDDING
    ? `${ENCODER}.embedding.weight`
    : `${ENCODER}.${name.replace(/^(.*\.)?(?=(embedding|trans)\.)/, "")}`;
