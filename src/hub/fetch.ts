/**
 * @file A model from a hub: found in the cache, or listed, chosen from and downloaded into it.
 *
 *   settings -> cache? -> list -> form of the weights -> descriptions, then weights -> folder
 */
import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { GlmError } from "../errors.ts";
import { tokenizerFileNames } from "../published.ts";
import { isFile, readText } from "../regular-file.ts";
import { Client } from "./client.ts";
import { Download } from "./download.ts";
import { notDownloaded, unreachable, unusable } from "./errors.ts";
import type { CacheSnapshot, Hub, ModelRef, RemoteFile } from "./hub.ts";
import { huggingFace } from "./huggingface.ts";
import { missingFrom } from "./local.ts";
import { modelScope } from "./modelscope.ts";
import { type HubName, isHubId, isRevision } from "./names.ts";
import type { OnProgress } from "./progress.ts";
import { defaultPolicy, type RetryPolicy, TransientError } from "./retry.ts";
import { descriptionsOf, type Form, formsOf, weightNames } from "./select.ts";
import type { HubSettings } from "./settings.ts";

export interface FetchOptions {
  readonly settings: HubSettings;
  /** Branch, tag or commit; the hub's main branch by default. */
  readonly revision?: string | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Stops at once; what has come stays for the next time. */
  readonly signal?: AbortSignal | undefined;
  readonly policy?: RetryPolicy;
}

const hubs: Readonly<Record<HubName, (settings: HubSettings) => Hub>> = {
  huggingface: huggingFace,
  modelscope: modelScope,
};

/** What is wanted of a model. */
interface Wanted {
  /** Why a folder does not do; undefined when it does. */
  missingFrom(folder: string): Promise<string | undefined>;
  /** Whether a folder that does is as good as any later one: the hub is then not asked. */
  readonly anyVersion: boolean;
  /** Whether a file of the hub's listing may be taken at all. */
  takes(path: string): boolean;
  /** Puts what is needed in the snapshot. */
  fill(filling: Filling): Promise<void>;
}

interface Filling {
  readonly download: Download;
  readonly snapshot: CacheSnapshot;
  /** The model's files on the hub by name. */
  readonly files: ReadonlyMap<string, RemoteFile>;
  /** The error for a model that lacks something. */
  refuse(missing: string): GlmError;
}

/**
 * The folder that has a model's files: in the hub's cache, where they are downloaded to when they are not there.
 * @param id "owner/name"
 * @throws GlmError "model-not-found", "hub-unreachable", "hub-denied", "download-corrupt", "disk", "unsupported"
 */
export const fetchModel = (id: string, options: FetchOptions): Promise<string> =>
  fetched({ id }, { missingFrom, anyVersion: false, takes: isBeside, fill: fillModel }, options);

/** A folder that has a model's config.json, whatever else of it is there; throws as `fetchModel`. */
export const fetchConfig = (id: string, options: FetchOptions): Promise<string> =>
  fetched({ id }, { missingFrom: configMissingFrom, anyVersion: true, takes: isBeside, fill: fillConfig }, options);

/**
 * The folder that has chosen files of a data set, and which they are; throws as `fetchModel`, "data-invalid" where there is none.
 * @param choose takes the names of all files, and throws where it finds nothing
 */
export async function fetchDataset(
  id: string,
  choose: (names: readonly string[]) => readonly string[],
  options: FetchOptions,
): Promise<readonly string[]> {
  const { settings } = options;
  if (settings.hub !== "huggingface") {
    throw new GlmError(
      "unsupported",
      `${id}: data sets are fetched from the Hugging Face hub only, not from ${settings.hub}.`,
    );
  }
  let chosen: readonly string[] = [];
  const folder = await fetched(
    { id, kind: "dataset" },
    {
      // What of a data set is wanted, only its listing says; offline, it is what is there.
      missingFrom: async (folder) => {
        if (!settings.offline) return "it is to be listed";
        const names = await readdir(folder, { recursive: true }).catch(() => []);
        chosen = choose(names.map((name) => name.split(sep).join("/")));
        return undefined;
      },
      anyVersion: false,
      takes: isWithin,
      async fill({ download, files }) {
        chosen = choose([...files.keys()]);
        await download.get(chosen.flatMap((name) => files.get(name) ?? []));
      },
    },
    options,
  );
  return chosen.map((name) => join(folder, name));
}

/** What lies in folders is no part of a checkpoint. */
const isBeside = (path: string): boolean => /^[^/\\]+$/.test(path);

/** A name that leads nowhere but below its folder. */
const isWithin = (path: string): boolean =>
  path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part));

async function fetched(
  { id, kind }: Pick<ModelRef, "id" | "kind">,
  wanted: Wanted,
  options: FetchOptions,
): Promise<string> {
  const { settings, signal, onProgress = () => undefined, policy = defaultPolicy } = options;
  const hub = hubs[settings.hub](settings);
  const model = { ...checked(id, options.revision ?? hub.mainRevision), ...(kind && { kind }) };
  const { folder, missing } = await downloaded(hub, model, wanted);
  // What a commit names never changes.
  const isSettled = wanted.anyVersion || settings.offline || /^[0-9a-f]{40}$/.test(model.revision);
  if (folder !== undefined && isSettled) return folder;
  if (settings.offline) throw notDownloaded(model, settings, missing);
  onProgress("asking the hub", 0, 0);
  const client = new Client(settings, policy);
  // Who has the model already does not wait long to hear whether there is a newer one.
  const asking = new Client(settings, { ...policy, attempts: Math.min(policy.attempts, folder === undefined ? 4 : 2) });
  try {
    const listing = await hub.list(asking, model, signal).catch((error: unknown) => {
      // What was the newest version when it was last asked for is better than none.
      if (error instanceof TransientError && folder !== undefined) return undefined;
      throw error;
    });
    if (!listing) return folder as string;
    const snapshot = await hub.snapshot(model, listing.commit);
    const download = new Download({ hub, client, model, commit: listing.commit, snapshot, onProgress, signal });
    const files = new Map(listing.files.filter(({ path }) => wanted.takes(path)).map((file) => [file.path, file]));
    const refuse = (lacks: string): GlmError => unusable(model, settings, [...files.keys()], lacks);
    try {
      await wanted.fill({ download, snapshot, files, refuse });
      await snapshot.complete();
      return snapshot.folder;
    } finally {
      download.end();
    }
  } catch (error) {
    throw error instanceof TransientError ? unreachable(model, settings, error) : error;
  }
}

/** Names become parts of paths and addresses: they must be names. */
function checked(id: string, revision: string): ModelRef {
  if (isHubId(id) && isRevision(revision)) return { id, revision };
  throw new GlmError(
    "option-invalid",
    `expected the id of a model on a hub (owner/name) and a branch, tag or commit, got ${JSON.stringify(id)} and ${JSON.stringify(revision)}.`,
  );
}

/** The folder of an earlier download that has everything, or what the likeliest one lacks. */
async function downloaded(hub: Hub, model: ModelRef, wanted: Wanted): Promise<{ folder?: string; missing?: string }> {
  let missing: string | undefined;
  for (const folder of await hub.cached(model)) {
    const lacks = await wanted.missingFrom(folder);
    if (lacks === undefined) return { folder };
    missing ??= lacks;
  }
  return missing === undefined ? {} : { missing };
}

const CONFIG = "config.json";

async function fillConfig({ download, files, refuse }: Filling): Promise<void> {
  const file = files.get(CONFIG);
  if (!file) throw refuse(`a ${CONFIG}`);
  await download.get([file]);
}

async function configMissingFrom(folder: string): Promise<string | undefined> {
  return (await isFile(join(folder, CONFIG))) ? undefined : `${CONFIG} is missing`;
}

async function fillModel({ download, snapshot, files, refuse }: Filling): Promise<void> {
  const forms = formsOf(new Set(files.keys()));
  if (!files.has(CONFIG)) throw refuse(`a ${CONFIG}`);
  const form = (await readyForm(forms, files, download, snapshot)) ?? forms[0];
  if (form === undefined) throw refuse("weights as safetensors or PyTorch .bin files");
  if (!tokenizerFileNames.some((name) => files.has(name)))
    throw refuse(`a tokenizer (${tokenizerFileNames.join(" or ")})`);
  await download.get(descriptionsOf([...files.values()], form));
  const weights = (await weightNames(form, (name) => readText(join(snapshot.folder, name)))).map((name) => {
    const file = files.get(name);
    if (file) return file;
    throw refuse(`${name}, which ${form} names`);
  });
  await download.get(weights);
}

/** A later form that is there already, with nothing of an earlier one: it is as good, and another download is saved. */
async function readyForm(
  forms: readonly Form[],
  files: ReadonlyMap<string, RemoteFile>,
  download: Download,
  snapshot: CacheSnapshot,
): Promise<Form | undefined> {
  const have = async (...names: readonly string[]): Promise<boolean> => {
    const listed = names.flatMap((name) => files.get(name) ?? []);
    return listed.length === names.length && (await download.missing(listed)).length === 0;
  };
  for (const form of forms) {
    // Whoever opens the folder takes the first form that it finds there.
    if (!(await have(form))) continue;
    if (form === forms[0]) return form;
    const names = await weightNames(form, (name) => readText(join(snapshot.folder, name)));
    if (await have(...names)) return form;
  }
  return undefined;
}
