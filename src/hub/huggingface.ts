/**
 * @file The Hugging Face hub, and its cache as Python's huggingface_hub lays it out.
 *
 * models--OWNER--NAME (of a data set, datasets--OWNER--NAME)/refs/REVISION names a commit, snapshots/COMMIT/FILE links to ../../blobs/HASH.
 */
import { copyFile, link, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { makeFolder, onDisk, replaceFile } from "../files.ts";
import { readText } from "../regular-file.ts";
import { fault, type Reply } from "./client.ts";
import { denied, unknownModel, unknownRevision } from "./errors.ts";
import type { CacheSnapshot, FileHash, Hub, Listing, ModelRef, RemoteFile } from "./hub.ts";
import { fieldOf, listOf, sizeOf, textOf } from "./json.ts";
import { retried } from "./retry.ts";
import type { HubSettings } from "./settings.ts";

const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

export function huggingFace(settings: HubSettings): Hub {
  const { endpoint, cache } = settings;
  const refusal = (reply: Reply, model: ModelRef): GlmError | undefined => refused(reply, model, settings);
  const url = ({ id, kind }: ModelRef, commit: string, path: string): string =>
    `${endpoint}/${kind === "dataset" ? "datasets/" : ""}${id}/resolve/${encodeURIComponent(commit)}/${path.split("/").map(encodeURIComponent).join("/")}`;
  return {
    mainRevision: "main",
    cacheVariable: "HF_HUB_CACHE",
    url,
    refusal,
    async list(client, model, signal) {
      const address = `${endpoint}/api/${kindOf(model)}/${model.id}/revision/${encodeURIComponent(model.revision)}?blobs=true`;
      return listing(await client.json(address, (reply) => refusal(reply, model), signal), address);
    },
    async describe(client, model, commit, file, signal) {
      if (file.bytes !== undefined && file.hash) return file;
      // Mirrors that list names only tell the rest when they are asked for the file.
      const address = url(model, commit, file.path);
      return retried(client.policy, signal, async () => {
        const reply = await client.ask(address, { method: "HEAD", signal });
        reply.drop();
        const refused = refusal(reply, model) ?? (reply.status < 400 ? undefined : fault(reply, address));
        if (refused) throw refused;
        return described(file, reply);
      });
    },
    async cached(model) {
      const folder = folderOf(cache, model);
      const commit = await commitOf(folder, model.revision);
      return commit === undefined ? [] : [join(folder, "snapshots", commit)];
    },
    snapshot: async (model, commit) => new Blobs(cache, model, commit),
  };
}

const kindOf = ({ kind }: ModelRef): "models" | "datasets" => (kind === "dataset" ? "datasets" : "models");

const folderName = (model: ModelRef): string => `${kindOf(model)}--${model.id.replaceAll("/", "--")}`;

const folderOf = (cache: string, model: ModelRef): string => join(cache, folderName(model));

/** The commit that a revision was when it was last asked for. */
async function commitOf(folder: string, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const text = await readText(join(folder, "refs", revision)).catch(() => "");
  return isCommit(text.trim()) ? text.trim() : undefined;
}

function listing(answer: unknown, address: string): Listing {
  const commit = textOf(answer, "sha");
  if (commit === undefined || !isCommit(commit)) {
    throw new GlmError(
      "hub-unreachable",
      `${address}: expected a model's description with its commit ("sha"), got ${shownJson(answer)}. Is HF_ENDPOINT a hub's address?`,
    );
  }
  const files = listOf(answer, "siblings").flatMap((entry): RemoteFile[] => {
    const path = textOf(entry, "rfilename");
    if (path === undefined) return [];
    const large = fieldOf(entry, "lfs");
    const bytes = sizeOf(large, "size") ?? sizeOf(entry, "size");
    const hash = hashOf(textOf(large, "sha256") ?? textOf(entry, "blobId"));
    return [{ path, ...(bytes === undefined ? {} : { bytes }), ...(hash ? { hash } : {}) }];
  });
  return { commit, files };
}

/** What the headers of the hub's own answer say about a file; those with "linked" speak of what it redirects to. */
function described(file: RemoteFile, reply: Reply): RemoteFile {
  const tag = reply.header("x-linked-etag") ?? reply.header("etag");
  const length = reply.header("x-linked-size") ?? (reply.status === 200 ? reply.header("content-length") : null);
  const hash = file.hash ?? hashOf(tag?.replace(/^W\//, "").replaceAll('"', ""));
  const bytes = file.bytes ?? (length !== null && /^\d+$/.test(length) ? Number(length) : undefined);
  return { path: file.path, ...(bytes === undefined ? {} : { bytes }), ...(hash ? { hash } : {}) };
}

function hashOf(hex: string | undefined): FileHash | undefined {
  if (hex !== undefined && /^[0-9a-f]{64}$/.test(hex)) return { kind: "sha256", hex };
  return hex !== undefined && /^[0-9a-f]{40}$/.test(hex) ? { kind: "git", hex } : undefined;
}

/** The hub says 401 of a model that does not exist, too, and tells in a header what it means. */
function refused(reply: Reply, model: ModelRef, settings: HubSettings): GlmError | undefined {
  const { status } = reply;
  if (!reply.own || ![401, 403, 404].includes(status)) return undefined;
  const code = reply.header("x-error-code");
  if (code === "RevisionNotFound") return unknownRevision(model, settings);
  if (code === "GatedRepo" || (status !== 404 && code !== "RepoNotFound" && settings.token !== undefined)) {
    return denied(model, settings, status);
  }
  if (code === "EntryNotFound") {
    return new GlmError("hub-unreachable", `${model.id}: the hub lists a file that it does not have. Ask again later.`);
  }
  return status === 403 ? denied(model, settings, status) : unknownModel(model, settings);
}

/** A snapshot's folder, whose files are links to blobs that are named by their content. */
class Blobs implements CacheSnapshot {
  readonly folder: string;
  readonly turns: string;
  readonly #root: string;
  readonly #ref: string | undefined;
  readonly #commit: string;

  constructor(cache: string, model: ModelRef, commit: string) {
    this.#root = folderOf(cache, model);
    this.#commit = commit;
    this.#ref = isCommit(model.revision) ? undefined : join(this.#root, "refs", model.revision);
    this.folder = join(this.#root, "snapshots", commit);
    this.turns = join(cache, ".locks", folderName(model), "glmlab");
  }

  async state(file: RemoteFile): Promise<boolean> {
    if (await isWhole(this.path(file), file)) return true;
    // Another version may have had the same file.
    if (!file.hash || !(await isWhole(this.#blob(file), file))) return false;
    await this.#link(file);
    return true;
  }

  path(file: RemoteFile): string {
    return join(this.folder, file.path);
  }

  /** Not Python's name for it: what its library may be writing at this moment is not touched. */
  partial(file: RemoteFile): string {
    return `${this.#blob(file)}.glmlab.incomplete`;
  }

  async put(file: RemoteFile): Promise<void> {
    const blob = this.#blob(file);
    await onDisk(blob, file.bytes ?? 0, () => rename(this.partial(file), blob));
    await this.#link(file);
  }

  async complete(): Promise<void> {
    if (this.#ref === undefined) return;
    const known = await readText(this.#ref).catch(() => "");
    if (known.trim() === this.#commit) return;
    const text = new TextEncoder().encode(this.#commit);
    // A cache that cannot be written to serves all the same.
    await replaceFile(this.#ref, [text], text.length).catch(() => undefined);
  }

  #blob(file: RemoteFile): string {
    return join(this.#root, "blobs", file.hash?.hex ?? `${this.#commit}-${file.path.replaceAll("/", "-")}`);
  }

  async #link(file: RemoteFile): Promise<void> {
    const [blob, path] = [this.#blob(file), this.path(file)];
    await onDisk(path, 0, async () => {
      await makeFolder(dirname(path));
      await rm(path, { force: true });
      await symlink(relative(dirname(path), blob), path).catch(async (error: unknown) => {
        if (await isWhole(path, file)) return;
        // Windows lets not everybody make links, and some disks know none: the snapshot then holds the file itself.
        await link(blob, path).catch(() => copyFile(blob, path).catch(() => Promise.reject(error)));
      });
    });
  }
}

async function isWhole(path: string, { bytes }: RemoteFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && (bytes === undefined || found.size === bytes);
}
