/** @file `glmlab models`: what is on this machine, downloading a model, and removing one. */
import { join } from "node:path";
import { LOAD_OPTIONS } from "../../magics/define/model.ts";
import { isInterrupt } from "../../magics/interrupt.ts";
import { PATIENCE, ProgressBar } from "../../magics/progress.ts";
import { renderTable } from "../../magics/render/table.ts";
import { byteSize } from "../../src/byte-size.ts";
import { checkpointIdentity } from "../../src/engine/checkpoint-identity.ts";
import { GlmError } from "../../src/errors.ts";
import { cacheFolder } from "../../src/folders.ts";
import { bytesIn, type CachedModel, cachedModels, removeCached } from "../../src/hub/cached-models.ts";
import { isEmbedded, modelFolder } from "../../src/hub/model-folder.ts";
import { type HubName, hubNames, hubTitles, isHubId } from "../../src/hub/names.ts";
import { requestedModel } from "../../src/hub/request.ts";
import { hubSettings } from "../../src/hub/settings.ts";
import { plural } from "../../src/plural.ts";
import { type PreparedFolder, preparedFolders, removePrepared } from "../../src/quantization/prepared-folders.ts";
import { suggestion } from "../../src/suggestion.ts";
import { type Command, UsageError, type Values } from "./command.ts";
import { InterruptedError, Interrupts } from "./interrupts.ts";

const SUBJECT = "glmlab models";
const TINY = "tiny";

export const models: Command = {
  options: { hub: LOAD_OPTIONS.hub, revision: LOAD_OPTIONS.revision },
  words: 2,
  more: [
    "  list           models in the hubs' caches, with their sizes (the default)",
    "  download NAME  a model's files, as far as they are needed, to where Python's libraries keep theirs; goes on where it stopped",
    "  prepared       weights that were converted or quantised here, with their sizes; unused ones are removed after a month",
    "  remove NAME    deletes a model from the hub's cache, and what was prepared of it; or what was prepared, by its name in that list",
  ],
  async run(values, [action = "list", name, ..._]) {
    const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (!run) throw new UsageError(`${SUBJECT}: there is no ${action}.${suggestion(action, Object.keys(ACTIONS))}`);
    const takesName = action === "download" || action === "remove";
    if (takesName && name === undefined) throw new UsageError(`${SUBJECT} ${action}: expected the NAME of a model.`);
    if (!takesName && name !== undefined) {
      throw new UsageError(`${SUBJECT} ${action}: ${name} is one word too many.`);
    }
    return run(values, name ?? "");
  },
};

const ACTIONS: Readonly<Record<string, (values: Values, name: string) => Promise<number>>> = {
  list,
  download,
  prepared,
  remove,
};

/** Of one hub, if one is named, else of all. */
async function cached({ hub }: Values): Promise<readonly CachedModel[]> {
  const hubs = hub === undefined ? hubNames : [hub as HubName];
  return (await Promise.all(hubs.map((one) => cachedModels(hubSettings(one))))).flat();
}

async function list(values: Values): Promise<number> {
  const tiny = (await modelFolder(TINY)) ?? "";
  const rows = (await cached(values)).flatMap(({ id, hub, bytes, versions }) => [
    [id, hub, byteSize(bytes), versions.map(({ revision }) => revision).join(", "), stateOf(versions)],
  ]);
  const table = {
    columns: [
      { title: "model", whole: true },
      { title: "from" },
      { title: "size", align: "right" as const },
      { title: "version" },
      { title: "" },
    ],
    rows: [[TINY, "glmlab", byteSize(await bytesIn(tiny)), "", "ready"], ...rows],
  };
  console.log(String(renderTable(table)["text/plain"]));
  if (rows.length === 0) console.log("Nothing is downloaded yet: `glmlab models download THUDM/chatglm3-6b`");
  return 0;
}

function stateOf(versions: CachedModel["versions"]): string {
  const missing = versions.flatMap((one) => (one.missing === undefined ? [] : [one.missing]));
  if (versions.length === 0) return "nothing is whole yet";
  return missing.length === versions.length ? (missing[0] as string) : "ready";
}

async function download({ hub = "huggingface", revision }: Values, name: string): Promise<number> {
  if (isEmbedded(name)) {
    console.log(`${name} comes with glmlab: ${await modelFolder(name)}`);
    return 0;
  }
  if (!isHubId(name)) throw new UsageError(`${SUBJECT} download: expected a model's id (owner/name), got ${name}.`);
  const chosen = { hub: hub as HubName, ...(revision === undefined ? {} : { revision: String(revision) }) };
  const bar = new ProgressBar({ title: `Downloading ${name}`, delay: PATIENCE });
  const interrupts = new Interrupts();
  try {
    const folder = await requestedModel(name, chosen, {
      onProgress: (stage, done, total) => bar.update({ title: `${name}: ${stage}`, done, total, unit: "bytes" }),
      signal: interrupts.signal,
    });
    bar.finish();
    console.log(`${name} from ${hubTitles[chosen.hub]} is in ${folder}`);
    return 0;
  } catch (error) {
    bar.finish(interrupts.isInterrupted ? "stopped" : "failed");
    if (!interrupts.isInterrupted || !isInterrupt(error)) throw error;
    console.error("Interrupted: what has come is kept, and the same command goes on from there.");
    throw new InterruptedError(interrupts.status);
  } finally {
    interrupts.end();
  }
}

async function prepared(values: Values): Promise<number> {
  const found = await preparedFolders(join(cacheFolder(), "weights"));
  const names = await checkpointNames(await cached(values));
  const rows = found.map(({ checkpoint, form, bytes, used }) => [
    checkpoint,
    names.get(checkpoint) ?? "a folder elsewhere",
    form,
    byteSize(bytes),
    new Date(used).toISOString().slice(0, 10),
  ]);
  const columns = [
    { title: "name", whole: true },
    { title: "of", whole: true },
    { title: "form", whole: true },
    { title: "size", align: "right" as const },
    { title: "last used" },
  ];
  console.log(String(renderTable({ columns, rows, empty: "No weights are prepared." })["text/plain"]));
  return 0;
}

/** The models that prepared weights may be of, by the names that their folders have. */
async function checkpointNames(known: readonly CachedModel[]): Promise<ReadonlyMap<string, string>> {
  const folders = known.flatMap(({ id, versions }) => versions.map(({ folder }) => [id, folder] as const));
  const tiny = await modelFolder(TINY);
  const all = [...folders, ...(tiny === undefined ? [] : [[TINY, tiny] as const])];
  const pairs = await Promise.all(all.map(async ([id, folder]) => [await checkpointIdentity(folder), id] as const));
  return new Map(pairs.flatMap(([identity, id]) => (identity === undefined ? [] : [[identity, id] as const])));
}

async function remove(values: Values, name: string): Promise<number> {
  const all = await preparedFolders(join(cacheFolder(), "weights"));
  const byName = all.filter(({ checkpoint }) => checkpoint === name);
  if (byName.length > 0) {
    await dropPrepared(byName);
    return 0;
  }
  if (isEmbedded(name)) {
    throw new GlmError("option-invalid", `${SUBJECT} remove: ${name} comes with glmlab, and goes with it.`);
  }
  const known = await cached(values);
  const found = known.filter(({ id }) => id === name);
  if (found.length === 0) {
    const hint = suggestion(
      name,
      known.map(({ id }) => id),
    );
    throw new GlmError(
      "model-not-found",
      `${SUBJECT} remove: ${name} is in no hub's cache, and no name of prepared weights.${hint} Folders of your own are not touched.`,
    );
  }
  for (const model of found) {
    const identities = await Promise.all(model.versions.map(({ folder }) => checkpointIdentity(folder)));
    await removeCached(model);
    console.log(`Removed ${model.id} of ${hubTitles[model.hub]}: ${byteSize(model.bytes)} in ${model.folder}`);
    await dropPrepared(all.filter(({ checkpoint }) => identities.includes(checkpoint)));
  }
  return 0;
}

async function dropPrepared(folders: readonly PreparedFolder[]): Promise<void> {
  for (const folder of folders) await removePrepared(folder);
  if (folders.length === 0) return;
  const bytes = folders.reduce((sum, one) => sum + one.bytes, 0);
  console.log(`Removed what was prepared of it: ${byteSize(bytes)} in ${plural(folders.length, "form")}`);
}
