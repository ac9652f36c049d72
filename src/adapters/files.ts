/** @file An adapter's folder, whatever its method: in the method's usual form or another's, read from anybody's. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, replaceFiles, textFile } from "../files.ts";
import { isFile } from "../regular-file.ts";
import { adaLoraFiles, readAdaLora } from "./ada-lora-files.ts";
import type { AdapterConfig, AdapterTensors, BaseModel, Method } from "./adapter.ts";
import { adapterFileNames, CONFIG_FILE, mustHaveTensors } from "./adapter-files.ts";
import { type AdapterDocuments, documentNames, readDocuments } from "./documents.ts";
import { type AdapterFormat, adapterFormats } from "./formats.ts";
import { methodIn, ownFiles, readOwn } from "./own-files.ts";
import { peftFiles, readPeft, storedTensors } from "./peft.ts";
import { PREFIX_TUNING, peftPrefixFiles } from "./peft-prefix.ts";
import { publishedPrefixFiles, readPrefix, storedPrefix } from "./prefix-files.ts";

export interface StoredAdapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
  readonly documents: AdapterDocuments;
  /** Under which it is saved, so that it may be saved there again. */
  readonly name?: string;
}

/** What was read, with what its user should know: that it names modules which this model has not. */
export interface LoadedAdapter extends StoredAdapter {
  readonly note?: string;
}

/** A form that was asked for by name, with what of the model it may need. */
export interface AskedForm {
  readonly format: AdapterFormat;
  readonly base: BaseModel;
  /** What the model's config.json says. */
  settings(): Promise<object>;
}

interface Place {
  readonly folder: string;
  /** Name or folder of the model that the adapter belongs to. */
  readonly baseModel: string;
}

interface ToWrite<C> {
  readonly config: C;
  readonly tensors: AdapterTensors;
  readonly name?: string;
}

type Writer<C> = (adapter: ToWrite<C>, baseModel: string) => FileToWrite[];
type OtherWriter<C> = (adapter: ToWrite<C>, place: Place, asked: AskedForm) => FileToWrite[] | Promise<FileToWrite[]>;

/** The form that a method's adapters are written in when none is named, and those that may be named. */
type Forms<C> = { readonly usual: Writer<C> } & { readonly [F in AdapterFormat]?: OtherWriter<C> };

const asPeft = <C>(usual: Writer<C>): Forms<C> => ({
  usual,
  peft: (adapter, { baseModel }) => usual(adapter, baseModel),
});

const forms: { readonly [M in Method]: Forms<Extract<AdapterConfig, { method: M }>> } = {
  lora: asPeft(peftFiles),
  adaLora: asPeft(adaLoraFiles),
  pTuning: {
    usual: ownFiles,
    peft: (adapter, { baseModel }, { base }) => peftPrefixFiles(adapter, baseModel, base.config),
    published: async (adapter, { folder }, { settings }) => publishedPrefixFiles(folder, adapter, await settings()),
  },
  freeze: { usual: ownFiles },
  embeddings: { usual: ownFiles },
  full: { usual: ownFiles },
};

/**
 * Writes an adapter; its files take their places only when all are complete.
 * @param baseModel name or folder of the model it belongs to
 * @param asked the form; the method's usual one when absent
 * @throws GlmError "disk" when they cannot be written, "option-invalid" for a form that the method has not, or for a folder
 * with something that is not to be lost; what was there before is then untouched
 */
export async function writeAdapter(
  folder: string,
  { documents, ...adapter }: StoredAdapter,
  baseModel: string,
  asked?: AskedForm,
): Promise<void> {
  const files = await filesOf(adapter, { folder, baseModel }, asked);
  // Another adapter was saved here before: its documents must not pass for this one's. Elsewhere they are somebody else's.
  const replaced = await isFile(join(folder, CONFIG_FILE));
  const texts = Object.entries(documents).map(([name, text]) => textFile(name, text));
  await replaceFiles(
    folder,
    [...texts, ...files],
    // Adapter files of another form or an older PEFT would be read in place of these.
    (name) => adapterFileNames.includes(name) || (replaced && documentNames.some((known) => known === name)),
  );
}

async function filesOf(
  adapter: ToWrite<AdapterConfig>,
  place: Place,
  asked: AskedForm | undefined,
): Promise<FileToWrite[]> {
  const { method } = adapter.config;
  const known = forms[method] as Forms<AdapterConfig>;
  if (!asked) return known.usual(adapter, place.baseModel);
  const write = known[asked.format];
  if (write) return write(adapter, place, asked);
  const others = adapterFormats.filter((format) => known[format]);
  throw new GlmError(
    "option-invalid",
    `save: format: expected ${others.length > 0 ? `${others.join(" or ")} for` : "none, which is the only one that there is for"} ` +
      `${method}, got ${asked.format}. Leave it out for the usual files.`,
  );
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
  if (type === "ADALORA") {
    await mustHaveTensors(folder);
    return readAdaLora(folder, { ...json }, await storedTensors(folder), base);
  }
  const prefix = type === undefined || type === PREFIX_TUNING ? await storedPrefix(folder, type) : undefined;
  return prefix ? readPrefix(folder, base, prefix) : readPeft(folder, base);
}
