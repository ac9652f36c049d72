/**
 * @file Where prepared weights lie: a folder for each checkpoint and form, made by one process at a time, found by all,
 * and removed when nobody has used it for long.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, realpath, rm, rmdir, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GlmError } from "../errors.ts";
import { type Turn, takeTurn } from "../lock.ts";
import type { Pack } from "../weights/forms.ts";
import type { Holdings } from "../weights/held.ts";
import type { Plan } from "../weights/plan.ts";
import { type Found, findPrepared, makePrepared } from "../weights/prepare.ts";
import { packForCpu, version } from "./ort.ts";
import type { OnProgress } from "./source-folder.ts";

/** Prepared weights that were not used for so long, in milliseconds, are removed. */
const KEPT = 30 * 24 * 3600 * 1000;
const POLL = 250;
/** Its time is when the folder was used last. */
const MARK = "used";

/** To be counted up whenever the same plan is prepared to other bytes: older files are then no longer found. */
const LAYOUT = 1;

/** The folder of a plan's files below that of the checkpoint. */
export async function planFolder(checkpoint: string, plan: Plan): Promise<string> {
  const name = `${plan.name}-v${LAYOUT}`;
  return join(checkpoint, plan.packs ? `${name}-${await hostKey()}` : name);
}

/**
 * The weights in the plan's forms. What is not there yet is made, while other processes that want the same wait for it.
 * @throws GlmError "disk" when there is no room
 */
export async function preparedWeights(
  plan: Plan,
  folder: string,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<Holdings> {
  const needsFiles = plan.toFloat32.length > 0 || plan.matrices.size > 0;
  const place = needsFiles ? await makeFolder(folder) : folder;
  const { holdings } = await findPrepared(plan, place);
  const ready = holdings ?? (await inTurn(place, onProgress, signal, () => made(plan, place, onProgress, signal)));
  if (needsFiles) await markUsed(place);
  return ready;
}

/** @returns its path without symbolic links, which onnxruntime does not follow */
async function makeFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await realpath(folder);
  } catch (cause) {
    throw new GlmError(
      "disk",
      `${folder}: expected a folder for prepared weights, but it cannot be made (${cause instanceof Error ? cause.message : cause}). ` +
        "Name another folder for caches in $GLMLAB_CACHE.",
      { cause },
    );
  }
}

async function made(plan: Plan, folder: string, onProgress: OnProgress, signal?: AbortSignal): Promise<Holdings> {
  // Whoever held the lock before may have made them.
  const { missing, holdings } = await findPrepared(plan, folder);
  if (holdings) return holdings;
  // Left by a process that was killed; nobody else writes here now.
  for (const name of await readdir(folder)) {
    if (/^\.(packing-|.*\.part$)/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  await mustFit(folder, missing);
  const stage = plan.bits ? `preparing int${plan.bits} weights (once)` : "converting weights to float32 (once)";
  await makePrepared(missing, packInto(folder), (done, total) => onProgress(stage, done, total, "bytes"), signal);
  const after = await findPrepared(plan, folder);
  if (after.holdings) return after.holdings;
  throw new GlmError(
    "disk",
    `${folder}: prepared weights were written, but are not there. Is the folder being cleaned? Load again.`,
  );
}

/** Said before hours of work rather than after. */
async function mustFit(folder: string, missing: Found["missing"]): Promise<void> {
  const largest = Math.max(...missing.map(({ bytes }) => bytes));
  const needed = missing.reduce((sum, { bytes }) => sum + bytes, largest);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= needed) return;
  const size = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`;
  throw new GlmError(
    "disk",
    `${folder}: preparing the weights needs ${size(needed)} of disk, but ${size(free)} are free. ` +
      "Free some space, or name another folder for caches in $GLMLAB_CACHE.",
  );
}

/** Packs by way of a file beside the weights. */
const packInto =
  (folder: string): Pack =>
  async (graph, use) => {
    const scratch = join(folder, `.packing-${process.pid}-${Date.now().toString(36)}`);
    await mkdir(scratch);
    try {
      await use(await packForCpu(graph, scratch));
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

async function inTurn<T>(
  folder: string,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
  action: () => Promise<T>,
): Promise<T> {
  let turn: Turn | undefined;
  for (turn = takeTurn(folder); !turn; turn = takeTurn(folder)) {
    onProgress("waiting for another process that prepares these weights", 0, 1);
    await sleep(POLL, undefined, signal ? { signal } : {});
  }
  try {
    return await action();
  } finally {
    turn.end();
  }
}

async function markUsed(folder: string): Promise<void> {
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
      const used = await stat(join(folder, MARK)).catch(() => stat(folder).catch(() => undefined));
      if (!used || now - used.mtimeMs < KEPT) continue;
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
      removed.push(folder);
    }
    // Fails as long as there is anything in it.
    await rmdir(join(root, checkpoint)).catch(() => undefined);
  }
  return removed;
}

/** Names what packed weights depend on: onnxruntime's version, and the processor with all that it can do. */
async function hostKey(): Promise<string> {
  const features = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(features)?.[1] ?? "";
  const processor = [process.platform, process.arch, cpus()[0]?.model, flags].join();
  return `ort${version}-${createHash("sha256").update(processor).digest("hex").slice(0, 10)}`;
}
