/**
 * @file Prefixes of P-tuning v2 as others save them: by the published scripts and their descendants, alone or among a whole
 * model's tensors. The length and whether there is a projection follow from the shapes.
 */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, textFile } from "../files.ts";
import { weightFileNames } from "../published.ts";
import { isFile, namesIn } from "../regular-file.ts";
import { shortened } from "../text-cut.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { holdsPrefixOnly, isPrefix, isPrefixOnly } from "../weights/prefix.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { torchFileOf } from "../weights/torch-writer.ts";
import type { AdapterTensors, BaseModel, PTuningConfig } from "./adapter.ts";
import { tensorFileNames } from "./adapter-files.ts";
import { fitting, type OwnAdapter } from "./own-files.ts";
import { EMBEDDING, ENCODER, pTuning } from "./p-tuning.ts";
import { storedTensors } from "./peft.ts";
import { PEFT_EMBEDDING, shiftedFromPeft } from "./peft-prefix.ts";
import { asAdapter } from "./stored-tensors.ts";

/** The file in which the published scripts look for a prefix, and the one that says how long it is. */
const WEIGHTS = "pytorch_model.bin";
const SETTINGS = "config.json";

/** A prefix's tensors in a file, by their published names. */
export interface StoredPrefix {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly isPeft: boolean;
}

/**
 * The prefix in a folder; undefined when it has none.
 * @param peftType what PEFT calls the method, where its configuration is there
 * @throws GlmError "adapter-invalid" when it has weights that cannot be read
 */
export async function storedPrefix(folder: string, peftType?: unknown): Promise<StoredPrefix | undefined> {
  const all = await storedIn(folder);
  const names = all.map(({ name }) => name);
  const alone = isPrefixOnly(names);
  const own = all.filter(({ name }) => alone || isPrefix(name));
  if (own.length === 0) {
    if (peftType === undefined || all.length === 0) return undefined;
    throw new GlmError(
      "adapter-invalid",
      `${folder}: expected ${PEFT_EMBEDDING} and nothing else, as prefix tuning has it, got ${shortened(names.join(", "), 300)}. Save the adapter again.`,
    );
  }
  return {
    tensors: new Map(own.map((tensor) => [publishedName(tensor.name), tensor])),
    isPeft: own.some(({ name }) => name === PEFT_EMBEDDING),
  };
}

/** @throws GlmError "adapter-invalid" with everything that does not fit the base */
export async function readPrefix(folder: string, base: BaseModel, stored: StoredPrefix): Promise<OwnAdapter> {
  const [length = 0] = stored.tensors.get(EMBEDDING)?.shape ?? [];
  const projection = [...stored.tensors.keys()].some((name) => name.startsWith(`${ENCODER}.trans.`));
  const config: PTuningConfig = { method: "pTuning", length: Math.max(1, length), projection, dropout: 0 };
  const tensors = await fitting(folder, pTuning(config, base).parameters, stored.tensors);
  const embedding = tensors[EMBEDDING];
  if (!stored.isPeft || !embedding) return { config, tensors };
  return { config, tensors: { ...tensors, [EMBEDDING]: shiftedFromPeft(embedding, base.config) } };
}

/**
 * A folder as the published scripts write one: the prefix encoder's tensors, and the model's settings with its length.
 * @param settings of the model's config.json
 * @throws GlmError "option-invalid" when the folder has other weights or settings, which are not to be lost
 */
export async function publishedPrefixFiles(
  folder: string,
  { config, tensors }: { readonly config: PTuningConfig; readonly tensors: AdapterTensors },
  settings: object,
): Promise<FileToWrite[]> {
  await mustHaveRoom(folder);
  const own = { ...settings, pre_seq_len: config.length, prefix_projection: config.projection };
  return [torchFileOf(WEIGHTS, tensors), textFile(SETTINGS, `${JSON.stringify(own, null, 2)}\n`)];
}

/** A prefix may only take the place of one that was written the same way. */
async function mustHaveRoom(folder: string): Promise<void> {
  const there = await namesIn(folder).catch((): string[] => []);
  const found = [SETTINGS, ...weightFileNames].filter((name) => there.includes(name));
  if (found.length === 0) return;
  const isReplaced = found.every((name) => name === SETTINGS || name === WEIGHTS) && found.includes(WEIGHTS);
  if (isReplaced && (await holdsPrefixOnly(folder))) return;
  throw new GlmError(
    "option-invalid",
    `${folder}: expected a folder without a model, since a prefix in the published form is ${WEIGHTS} and ${SETTINGS}, ` +
      `got ${found.join(", ")}. Save it to another folder.`,
  );
}

async function storedIn(folder: string): Promise<readonly StoredTensor[]> {
  const isAdapter = await Promise.all(tensorFileNames.map((name) => isFile(join(folder, name))));
  if (isAdapter.includes(true)) return [...(await storedTensors(folder)).values()];
  const names = await namesIn(folder).catch((): string[] => []);
  if (!weightFileNames.some((name) => names.includes(name))) return [];
  const checkpoint = await asAdapter(() => openCheckpoint(folder));
  return [...checkpoint.tensors.values()];
}

/** "prefix_encoder.trans.0.weight" or "module.transformer.prefix_encoder.trans.0.weight" as "transformer.prefix_encoder.trans.0.weight". */
const publishedName = (name: string): string =>
  name === PEFT_EMBEDDING ? EMBEDDING : `${ENCODER}.${name.replace(/^(.*\.)?(?=(embedding|trans)\.)/, "")}`;
