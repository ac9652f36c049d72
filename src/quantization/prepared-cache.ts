/**
 * @file Where prepared weights lie: a folder for each checkpoint and form, made by one process at a time, found by all,
 * and removed when nobody has used it for long.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat, utimes, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import type { WeightPacker } from "../backend/device.ts";
import { byteSize } from "../byte-size.ts";
import { GlmError } from "../errors.ts";
import { asideName, freeBytes, makeFolder, onDisk, removeAbandoned } from "../files.ts";
import { waitForLock } from "../folder-lock.ts";
import { type FolderLock, SILENCE_MS, tryLock } from "../lock.ts";
import type { OnProgress } from "../progress.ts";
import type { Pack } from "./form.ts";
import type { Plan } from "./plan.ts";
import { findPrepared, type MissingFile, makePrepared } from "./prepare.ts";
import type { WeightStore } from "./weight-store.ts";

const DAY = 24 * 3600 * 1000;
/** Prepared weights that were not used for so long, in milliseconds, are removed. */
const KEPT = 30 * DAY;
/** Its time is when the folder was used last: at load, and every day while a model is loaded. */
export const MARK = "used";

/** The folder of a plan's files below that of the checkpoint. */
export async function planFolder(checkpoint: string, plan: Plan, packer: WeightPacker | undefined): Promise<string> {
  const name = [plan.name, ...(plan.use === "uploaded" ? [plan.use] : []), `v${plan.version}`].join("-");
  return join(checkpoint, plan.packs && packer ? `${name}-${await hostKey(packer)}` : name);
}

/**
 * The weights in the plan's forms. What is not there yet is made, while other processes that want the same wait for it.
 * @throws GlmError "disk" when there is no room
 */
export async function preparedWeights(
  plan: Plan,
  folder: string,
  packer: WeightPacker | undefined,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<WeightStore> {
  const needsFiles = plan.converted.length > 0 || plan.matrices.size > 0;
  if (!needsFiles) return found(plan, folder);
  const place = await inCache(folder, async () => {
    await makeFolder(folder);
    // onnxruntime does not follow symbolic links.
    return realpath(folder);
  });
  // Before they are looked for: nobody then finds them unused meanwhile.
  await markUsed(place);
  const { weightStore } = await findPrepared(plan, place);
  const ready = weightStore ?? (await madeInTurn(plan, place, packer, onProgress, signal));
  keepMarked(place, ready);
  return ready;
}

async function found(plan: Plan, folder: string): Promise<WeightStore> {
  const { weightStore } = await findPrepared(plan, folder);
  if (weightStore) return weightStore;
  throw new GlmError(
    "disk",
    `${folder}: prepared weights were written, but are not there. Is the folder being cleaned? Load again.`,
  );
}

async function madeInTurn(
  plan: Plan,
  folder: string,
  packer: WeightPacker | undefined,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<WeightStore> {
  const waiting = (): void => onProgress("waiting for another process that prepares these weights", 0, 1);
  const turn = await inCache(folder, () => waitForLock(folder, waiting, signal));
  try {
    await make(plan, folder, turn, packer, onProgress, signal);
    return await found(plan, folder);
  } finally {
    turn.end();
  }
}

async function make(
  plan: Plan,
  folder: string,
  turn: FolderLock,
  packer: WeightPacker | undefined,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Whoever had the turn before may have made them.
  const { missing, weightStore } = await findPrepared(plan, folder);
  if (weightStore) return;
  // Who has been silent for long may live on another machine, and write here still.
  await removeAbandoned(folder, turn.afterDeath ? 0 : SILENCE_MS);
  await mustHaveRoom(folder, roomFor(missing));
  const stage = plan.bits ? `preparing int${plan.bits} weights (once)` : `converting weights to ${plan.name} (once)`;
  await makePrepared(
    missing,
    packInto(folder, packer),
    (done, total) => onProgress(stage, done, total, "bytes"),
    signal,
  );
}

/** Bytes of disk that files need while they are made: what kernels pack is there twice, one file after the other. */
export function roomFor(missing: readonly Pick<MissingFile, "bytes" | "packs">[]): number {
  const packed = missing.map(({ bytes, packs }) => (packs ? bytes : 0));
  return missing.reduce((sum, { bytes }) => sum + bytes, Math.max(0, ...packed));
}

/** Said before hours of work rather than after. */
async function mustHaveRoom(folder: string, needed: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free === undefined || free >= needed) return;
  throw new GlmError(
    "disk",
    `${folder}: preparing the weights needs ${byteSize(needed)} of disk, but ${byteSize(free)} are free. ` +
      "Free some space, or name another folder for caches in $GLMLAB_CACHE.",
  );
}

/** What goes wrong on the disk, said with the name of what sets the cache's folder. */
async function inCache<T>(folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await onDisk(folder, 0, action);
  } catch (error) {
    if (!(error instanceof GlmError && error.code === "disk")) throw error;
    const message = `${error.message} $GLMLAB_CACHE names the folder for prepared weights.`;
    throw new GlmError("disk", message, { cause: error.cause });
  }
}

/** Packs by way of a file beside the weights. */
const packInto =
  (folder: string, packer: WeightPacker | undefined): Pack =>
  async (graph, use) => {
    if (!packer) throw new Error("the plan packs weights for a device that has no packer");
    const scratch = join(folder, asideName("packing"));
    await inCache(scratch, () => mkdir(scratch));
    try {
      await use(await packer.pack(graph, scratch));
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

/** As long as anybody has the weights: a timer keeps no process from ending, and no weights from being given up. */
function keepMarked(folder: string, weightStore: WeightStore): void {
  const held = new WeakRef(weightStore);
  const timer = setInterval(() => {
    if (held.deref()) void markUsed(folder);
    else clearInterval(timer);
  }, DAY).unref();
}

/** Says that a folder is used today. */
export async function markUsed(folder: string): Promise<void> {
  const now = new Date();
  const mark = join(folder, MARK);
  // A cache that cannot be written to is still one.
  await utimes(mark, now, now).catch(() => writeFile(mark, "").catch(() => undefined));
}

/**
 * Removes prepared weights below `root` (checkpoint/form) that nobody used for a month: those of checkpoints that are
 * gone, of an earlier processor, of an earlier onnxruntime. What others map meanwhile stays readable to them.
 */
export async function removeUnused(root: string, now: number = Date.now()): Promise<string[]> {
  const removed: string[] = [];
  for (const checkpoint of await readdir(root).catch(() => [])) {
    for (const form of await readdir(join(root, checkpoint)).catch(() => [])) {
      const folder = join(root, checkpoint, form);
      if ((await isUnused(folder, now)) && (await removeInTurn(folder, now))) removed.push(folder);
    }
    // Fails as long as there is anything in it.
    await rmdir(join(root, checkpoint)).catch(() => undefined);
  }
  return removed;
}

/** Without a mark, by the folder's own time, which taking the turn changes. */
async function isUnused(folder: string, now: number): Promise<boolean> {
  const used = (await stat(join(folder, MARK)).catch(() => undefined)) ?? (await stat(folder).catch(() => undefined));
  return used !== undefined && now - used.mtimeMs >= KEPT;
}

async function isMarked(folder: string, now: number): Promise<boolean> {
  const mark = await stat(join(folder, MARK)).catch(() => undefined);
  return mark !== undefined && now - mark.mtimeMs < KEPT;
}

/** @returns whether it was removed: not while somebody works there, and not where nothing can be removed */
async function removeInTurn(folder: string, now: number): Promise<boolean> {
  let turn: FolderLock | undefined;
  try {
    turn = tryLock(folder);
    if (!turn || (await isMarked(folder, now))) return false;
    // At once for all who look: they find either everything or nothing.
    const aside = join(dirname(folder), asideName("unused"));
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  } finally {
    turn?.end();
  }
}

/** Names what packed weights depend on: what packs them, and the processor with all that it can do. */
async function hostKey({ version }: WeightPacker): Promise<string> {
  const features = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(features)?.[1] ?? "";
  const processor = [process.platform, process.arch, cpus()[0]?.model, flags].join();
  return `ort${version}-${createHash("sha256").update(processor).digest("hex").slice(0, 10)}`;
}
