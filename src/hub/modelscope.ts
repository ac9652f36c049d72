/**
 * @file ModelScope, and its caches as Python's modelscope lays them out.
 *
 * Since version 1.38 of that library: models/OWNER--NAME/snapshots/REVISION. Before: a folder OWNER/NAME with dots in the name
 * written as ___, in one of several places, for one version at a time; where there is one, it goes on being used, as there.
 */

import { readdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { makeFolder, onDisk, replaceFile } from "../files.ts";
import { inTurn } from "../in-turn.ts";
import { readText } from "../regular-file.ts";
import type { Reply } from "./client.ts";
import { denied, unknownModel, unknownRevision } from "./errors.ts";
import type { CacheSnapshot, Hub, Listing, ModelRef, RemoteFile, Unchecked } from "./hub.ts";
import { fieldOf, listOf, sizeOf, textOf } from "./json.ts";
import type { HubSettings } from "./settings.ts";
import { faultOf } from "./verify.ts";

const MAIN = "master";

export function modelScope(settings: HubSettings): Hub {
  const { endpoint, cache } = settings;
  const refusal = (reply: Reply, model: ModelRef): GlmError | undefined => {
    if (!reply.own || ![401, 403, 404].includes(reply.status)) return undefined;
    if (reply.status !== 404) return denied(model, settings, reply.status);
    // It does not say which of the two there is not.
    return model.revision === MAIN ? unknownModel(model, settings) : unknownRevision(model, settings);
  };
  const query = (path: string, { id }: ModelRef, values: Record<string, string>): string =>
    `${endpoint}/api/v1/models/${id}/${path}?${new URLSearchParams(values)}`;
  return {
    mainRevision: MAIN,
    cacheVariable: "MODELSCOPE_CACHE",
    refusal,
    async list(client, model, signal) {
      const address = query("repo/files", model, { Revision: model.revision, Recursive: "true" });
      const answer = await client.json(address, (reply) => refusal(reply, model), signal);
      return listing(answer, model, address);
    },
    describe: async (_client, _model, _commit, file) => file,
    url: (model, commit, path) => query("repo", model, { Revision: commit, FilePath: path }),
    cached: (model) => earlier(cache, model),
    async snapshot(model) {
      const [found] = await earlier(cache, model);
      return new PlainFolder(found ?? snapshotOf(cache, model));
    },
  };
}

const snapshotOf = (cache: string, { id, revision }: ModelRef): string =>
  join(cache, "models", id.replace("/", "--"), "snapshots", revision);

/**
 * The folders of this model that hold anything, in the order in which Python's library looks for them. The old ones hold
 * the main version, unless they say otherwise.
 */
async function earlier(cache: string, model: ModelRef): Promise<readonly string[]> {
  const [owner = "", name = ""] = model.id.split("/");
  const names = [...new Set([name.replaceAll(".", "___"), name])];
  const roots = [join(cache, "models"), join(cache, "hub", "models"), cache, join(cache, "hub")];
  const old = roots.flatMap((root) => names.map((written) => join(root, owner, written)));
  const folders: string[] = [];
  for (const folder of [...old, snapshotOf(cache, model)]) {
    const entries = await readdir(folder).catch(() => []);
    if (entries.length === 0) continue;
    const said = await readText(join(folder, ".mv")).catch(() => "");
    const version = /^Revision:([^,]*)/.exec(said)?.[1] ?? MAIN;
    if (folder === snapshotOf(cache, model) || version === model.revision) folders.push(folder);
  }
  return folders;
}

function listing(answer: unknown, { revision }: ModelRef, address: string): Listing {
  const data = fieldOf(answer, "Data");
  if (!Array.isArray(fieldOf(data, "Files"))) {
    const said = textOf(answer, "Message") ?? shownJson(answer);
    throw new GlmError(
      "hub-unreachable",
      `${address}: expected a list of files, got ${said}. Is the revision right, and the address ModelScope's?`,
    );
  }
  const files = listOf(data, "Files").flatMap((entry): RemoteFile[] => {
    const path = textOf(entry, "Path");
    if (path === undefined || textOf(entry, "Type") === "tree") return [];
    const bytes = sizeOf(entry, "Size");
    const hex = textOf(entry, "Sha256")?.toLowerCase();
    const isHash = hex !== undefined && /^[0-9a-f]{64}$/.test(hex);
    return [
      {
        path,
        ...(bytes === undefined ? {} : { bytes }),
        ...(isHash ? { hash: { kind: "sha256" as const, hex } } : {}),
      },
    ];
  });
  return { commit: revision, files };
}

/** Files that were found to be right, so that large ones are not read through at every load. */
const CHECKED = ".glmlab-checked.json";

/** A folder that holds the files themselves. Their names say nothing of their content, so that is checked, once. */
class PlainFolder implements CacheSnapshot {
  readonly folder: string;
  readonly turns: string;
  /** Here, by file: the checksum that it had, and when it was last written to. */
  readonly #checked = new Map<string, string>();
  readonly #oneAtATime = inTurn();

  constructor(folder: string) {
    this.folder = folder;
    this.turns = join(folder, ".glmlab-locks");
  }

  async state(file: RemoteFile): Promise<boolean | Unchecked> {
    const path = this.path(file);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile() || (file.bytes !== undefined && found.size !== file.bytes)) return false;
    if (!file.hash) return true;
    const mark = `${file.hash.hex} ${found.mtimeMs}`;
    if (this.#checked.get(file.path) === mark || (await this.#marks())[file.path] === mark) return true;
    return {
      bytes: found.size,
      check: async (reading) => {
        if ((await faultOf(path, file, reading)) !== undefined) return false;
        await this.#remember(file.path, mark);
        return true;
      },
    };
  }

  path(file: RemoteFile): string {
    return join(this.folder, file.path);
  }

  partial(file: RemoteFile): string {
    return join(this.folder, `.${file.path.replaceAll("/", "-")}.glmlab.incomplete`);
  }

  async put(file: RemoteFile): Promise<void> {
    const path = this.path(file);
    await onDisk(path, 0, async () => {
      await makeFolder(dirname(path));
      await rename(this.partial(file), path);
    });
    if (file.hash) await this.#remember(file.path, `${file.hash.hex} ${(await stat(path)).mtimeMs}`);
  }

  async complete(): Promise<void> {}

  /** Files of a folder that cannot be written to are checked every time. */
  async #remember(path: string, mark: string): Promise<void> {
    this.#checked.set(path, mark);
    await this.#oneAtATime(async () => {
      const marks = { ...(await this.#marks()), ...Object.fromEntries(this.#checked) };
      const text = new TextEncoder().encode(`${JSON.stringify(marks, null, 2)}\n`);
      await replaceFile(join(this.folder, CHECKED), [text], text.length).catch(() => undefined);
    });
  }

  /** Read again each time: others check files, too. */
  async #marks(): Promise<Record<string, string>> {
    return parsed(await readText(join(this.folder, CHECKED)).catch(() => "{}"));
  }
}

function parsed(text: string): Record<string, string> {
  try {
    return Object(JSON.parse(text)) as Record<string, string>;
  } catch {
    return {};
  }
}
