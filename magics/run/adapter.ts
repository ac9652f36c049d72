/** @file What %adapter does. */
import { resolve } from "node:path";
import type { AdapterFormat } from "../../src/adapters/formats.ts";
import { namesIn } from "../../src/api/adapter-sum.ts";
import { SHARED } from "../../src/engine/engine.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterConfig, AdapterHandle, AdapterInfo, ChatGLM, MergedForm, SaveReport } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { show, write } from "../live.ts";
import { renderTable } from "../render/table.ts";
import { grouped } from "../render/text.ts";
import { currentModel, sessionOf } from "../session.ts";
import { asWord } from "../words.ts";
import { refreshBooks } from "./books.ts";
import type { OfModel } from "./chat.ts";
import { trainingNote } from "./weights.ts";

/** Shows and returns the adapters of this notebook and the shared ones. */
export async function adapterList({ model: given }: OfModel = {}): Promise<readonly AdapterInfo[]> {
  const model = currentModel(given);
  const infos = await model.adapters();
  remember(model, infos);
  const { adapter } = sessionOf(model);
  const inUse = adapter === null ? [] : namesIn(adapter);
  const rows = infos.map((info) => [
    info.name,
    info.config.method,
    grouped(info.trainableCount),
    grouped(info.steps),
    info.source ?? "",
    [
      ...(inUse.includes(info.name) ? ["in use"] : []),
      ...(info.merged ? ["merged"] : []),
      ...(info.unkept ? [`not on disk: ${plural(info.unkept.steps, "step")}`] : []),
    ].join(", "),
    info.owner === SHARED ? "shared" : "",
  ]);
  const columns = [
    { title: "adapter" },
    { title: "method" },
    { title: "trainable", align: "right" as const },
    { title: "steps", align: "right" as const },
    { title: "from" },
    { title: "state" },
    { title: "shared" },
  ];
  show(renderTable({ columns, rows, empty: "No adapters yet: %adapter new NAME, or %%train NAME." }));
  return infos;
}

/** Answers with this adapter from now on, or with a sum of several; null is the base model. */
export async function adapterUse(name: string | null, { model: given }: OfModel = {}): Promise<void> {
  const model = currentModel(given);
  for (const one of name === null ? [] : namesIn(name)) await model.adapter(one);
  sessionOf(model).adapter = name;
  write(name === null ? "The base model answers, without an adapter.\n" : `${name} answers from now on.\n`);
}

export interface NewOptions extends OfModel {
  /** Makes it visible to every notebook. */
  readonly share?: boolean;
  /** Gives up an adapter of the same name, which else is kept under another one. */
  readonly replace?: boolean;
}

/** Makes an adapter. */
export async function adapterNew(
  name: string,
  config: AdapterConfig,
  { model: given, share = false, replace = false }: NewOptions = {},
): Promise<AdapterHandle> {
  const model = currentModel(given);
  const adapter = await model.createAdapter(name, config, { share, replace });
  await refreshAdapters(model);
  write(`${setAsideNote(adapter)}${adapter.summary()}\n${trainingNote(model, adapter)}${noteOf(adapter)}`);
  return adapter;
}

const noteOf = ({ note }: AdapterHandle): string => (note === undefined ? "" : `${note}\n`);

/** Where the adapter went whose name another has taken. */
function setAsideNote({ name, setAside }: AdapterHandle): string {
  return setAside === undefined ? "" : `The ${name} that was trained before is now ${setAside}.\n`;
}

export interface SaveOptions extends OfModel {
  /** `./NAME` by default. */
  readonly folder?: string;
  /** Another form than the method's usual one. */
  readonly format?: AdapterFormat;
  /** Saves also over another adapter's files, or among a model's. */
  readonly replace?: boolean;
}

/** Saves an adapter's files. */
export async function adapterSave(
  name: string,
  { folder = `./${name}`, format, replace = false, model: given }: SaveOptions = {},
): Promise<void> {
  const adapter = await currentModel(given).adapter(name);
  await adapter.save(folder, { format, replace });
  write(`${name} saved to ${resolve(folder)}\n`);
}

export interface LoadOptions extends OfModel {
  /** Gives up an adapter of the same name, which else is kept under another one. */
  readonly replace?: boolean;
}

/** Loads an adapter from PEFT's files. */
export async function adapterLoad(
  name: string,
  folder: string,
  { model: given, replace = false }: LoadOptions = {},
): Promise<AdapterHandle> {
  const model = currentModel(given);
  const adapter = await model.loadAdapter(name, folder, { replace });
  await refreshAdapters(model);
  write(`${setAsideNote(adapter)}${adapter.summary()}\n${noteOf(adapter)}`);
  return adapter;
}

/** Makes an adapter's effect a part of the weights that this notebook sees. */
export async function adapterMerge(name: string, { model: given }: OfModel = {}): Promise<AdapterHandle> {
  const adapter = await currentModel(given).adapter(name);
  await adapter.merge();
  write(`${name} is part of the weights that this notebook sees.\n`);
  return adapter;
}

export interface WriteOptions extends OfModel {
  /** Of a model in int8 or int4: what becomes of matrices that the adapter changes. */
  readonly quantized?: MergedForm;
}

/** Writes a checkpoint with an adapter merged into it, or with a sum of several. Nothing changes in memory. */
export async function adapterWrite(
  name: string,
  folder: string,
  { model: given, quantized }: WriteOptions = {},
): Promise<SaveReport | undefined> {
  const model = currentModel(given);
  const report = await model.save(folder, { adapter: name, ...(quantized === undefined ? {} : { quantized }) });
  write(`A model with ${name} merged into it is in ${resolve(folder)}\n${rewrittenNote(model, report)}`);
  return report;
}

/** In two digits: "1.4%", "110%". */
const percent = (share: number): string => `${Number((100 * share).toPrecision(2))}%`;

/** What of the weights was not written as it was to be. */
export function rewrittenNote({ info }: ChatGLM, report: SaveReport | undefined): string {
  if (!report?.rewritten) return "";
  const { form, matrices, max, relative, ofChange } = report.rewritten;
  const some = matrices === 1 ? "1 matrix" : `${matrices} matrices`;
  const what =
    form === "float16"
      ? `Of weights in ${info.quantize}, ${some} went into float16, which takes more room (--quantized requantize writes ${info.quantize} again)`
      : `${some} were quantised to ${form} again`;
  const much = `${max.toPrecision(3)} at most, ${percent(relative)} all together`;
  const lost = ofChange === undefined ? "" : ` That is ${percent(ofChange)} of what merging changed.`;
  return `${what}: they differ from what they were to be by ${much}.${lost}\n`;
}

/** Takes a merge back. */
export async function adapterUnmerge(name: string, { model: given }: OfModel = {}): Promise<AdapterHandle> {
  const adapter = await currentModel(given).adapter(name);
  await adapter.unmerge();
  write(`${name} is no longer part of the weights that this notebook sees, and can be trained again.\n`);
  return adapter;
}

/** Makes one adapter of several. */
export async function adapterCombine(
  name: string,
  sum: string,
  { model: given, replace = false }: LoadOptions = {},
): Promise<AdapterHandle> {
  const model = currentModel(given);
  const adapter = await model.combine(name, sum, { replace });
  await refreshAdapters(model);
  write(`${setAsideNote(adapter)}${adapter.summary()}\n${noteOf(adapter)}`);
  return adapter;
}

/** Deletes an adapter; files that it was saved to stay. */
export async function adapterDelete(name: string, { model: given }: OfModel = {}): Promise<void> {
  const model = currentModel(given);
  const isMerged = (await model.adapters()).some((one) => one.name === name && one.merged);
  await model.deleteAdapter(name);
  const session = sessionOf(model);
  const wasInUse = session.adapter !== null && namesIn(session.adapter).includes(name);
  if (wasInUse) session.adapter = null;
  await refreshAdapters(model);
  const undone = isMerged ? " What was merged of it is gone with it: save the model before to keep that." : "";
  const base = wasInUse || isMerged ? " The base model answers from now on." : "";
  write(`${name} is deleted.${undone}${base}\n`);
}

/** Asks which adapters there are, and what is in those that are books, for completion. */
export async function refreshAdapters(model: ChatGLM): Promise<readonly AdapterInfo[]> {
  const adapters = await model.adapters();
  remember(model, adapters);
  await refreshBooks(model, adapters);
  return adapters;
}

/**
 * @param title of the magic, for messages
 * @throws GlmError "option-invalid" for an adapter that belongs to one notebook
 */
export function mustBeShared(title: string, { name, owner }: Pick<AdapterInfo, "name" | "owner">): void {
  if (owner === SHARED) return;
  throw new GlmError(
    "option-invalid",
    `${title}: ${name} exists, belongs to this notebook, and cannot be shared any more. ` +
      `Leave --share out to go on with it, or give it up first: %adapter delete ${asWord(name)}.`,
  );
}

function remember(model: ChatGLM, infos: readonly AdapterInfo[]): void {
  sessionOf(model).adapters = [...new Set(infos.map(({ name }) => name))];
}
