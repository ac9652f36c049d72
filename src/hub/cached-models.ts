/** @file The models in the hubs' caches: which there are, how much room they take, and removing one. */
import { lstat, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GlmError } from "../errors.ts";
import { makeFolder, onDisk } from "../files.ts";
import { tryLock } from "../lock.ts";
import { isFile, readText } from "../regular-file.ts";
import { missingFrom } from "./local.ts";
import { type HubName, isHubId } from "./names.ts";
import type { HubSettings } from "./settings.ts";

/** A model in one version. */
export interface CachedVersion {
  /** Branch or tag that it was asked for by, else the commit. */
  readonly revision: string;
  readonly folder: string;
  /** Why it cannot be loaded as it is; undefined when it can. */
  readonly missing: string | undefined;
}

export interface CachedModel {
  readonly id: string;
  readonly hub: HubName;
  /** All of it on the disk, other versions and what is half downloaded included. */
  readonly bytes: number;
  readonly versions: readonly CachedVersion[];
  /** The folder that holds all of it. */
  readonly folder: string;
  /** Where those who download it wait for one another. */
  readonly turns: string;
}

/** By their names. */
export async function cachedModels(settings: HubSettings): Promise<readonly CachedModel[]> {
  const found = settings.hub === "huggingface" ? await inBlobs(settings.cache) : await inPlainFolders(settings.cache);
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Deletes a model from its hub's cache, with all versions of it. Who has its files open keeps them as long.
 * @throws GlmError "disk" when it is being downloaded, or cannot be deleted
 */
export async function removeCached({ id, folder, turns }: CachedModel): Promise<void> {
  const turn = await onDisk(folder, 0, async () => {
    await makeFolder(turns);
    return tryLock(turns);
  });
  if (!turn) {
    throw new GlmError(
      "disk",
      `${id}: it is being downloaded at this moment. Stop that, or remove it when it is over.`,
    );
  }
  try {
    await onDisk(folder, 0, () => rm(folder, { recursive: true, force: true }));
  } finally {
    turn.end();
    await rm(turns, { recursive: true, force: true }).catch(() => undefined);
    // Those above it go when they are empty.
    for (const above of [dirname(turns), dirname(folder)]) await rmdir(above).catch(() => undefined);
  }
}

/** As huggingface_hub lays them out. */
async function inBlobs(cache: string): Promise<CachedModel[]> {
  const models: CachedModel[] = [];
  for (const name of await readdir(cache).catch(() => [])) {
    const id = /^models--(.+)$/.exec(name)?.[1]?.replace("--", "/");
    if (id === undefined || !isHubId(id)) continue;
    const folder = join(cache, name);
    const named = await revisionNames(join(folder, "refs"));
    const commits = await readdir(join(folder, "snapshots")).catch(() => []);
    const versions = await Promise.all(
      commits.map((commit) => version(named.get(commit) ?? commit, join(folder, "snapshots", commit))),
    );
    const turns = join(cache, ".locks", name, "glmlab");
    models.push({ id, hub: "huggingface", bytes: await bytesIn(folder), versions, folder, turns });
  }
  return models;
}

/** What commits are called. */
async function revisionNames(refs: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(refs, { recursive: true }).catch(() => []);
  const pairs = await Promise.all(
    names.map(async (name) => [(await readText(join(refs, name)).catch(() => "")).trim(), name] as const),
  );
  return new Map(pairs);
}

/** As modelscope lays them out, now and before. */
async function inPlainFolders(cache: string): Promise<CachedModel[]> {
  const models: CachedModel[] = [];
  const add = async (id: string, folder: string, versions: readonly CachedVersion[], turns: string): Promise<void> => {
    if (!isHubId(id) || versions.length === 0) return;
    models.push({ id, hub: "modelscope", bytes: await bytesIn(folder), versions, folder, turns });
  };
  for (const root of [join(cache, "models"), join(cache, "hub", "models"), cache, join(cache, "hub")]) {
    for (const owner of await foldersIn(root)) {
      const id = owner.replace("--", "/");
      const snapshots = join(root, owner, "snapshots");
      const revisions = id === owner ? [] : await foldersIn(snapshots);
      const versions = await Promise.all(revisions.map((revision) => version(revision, join(snapshots, revision))));
      await add(id, join(root, owner), versions, join(snapshots, revisions[0] ?? "", ".glmlab-locks"));
      for (const name of id === owner ? await foldersIn(join(root, owner)) : []) {
        const folder = join(root, owner, name);
        if (!(await isFile(join(folder, "config.json")))) continue;
        const said = /^Revision:([^,]*)/.exec(await readText(join(folder, ".mv")).catch(() => ""))?.[1] ?? "master";
        const own = [await version(said, folder)];
        await add(`${owner}/${name.replaceAll("___", ".")}`, folder, own, join(folder, ".glmlab-locks"));
      }
    }
  }
  return models;
}

const version = async (revision: string, folder: string): Promise<CachedVersion> => ({
  revision,
  folder,
  missing: await missingFrom(folder),
});

async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
}

/** Of all files below a folder; what links lead to is counted where it lies. */
export async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      lstat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
