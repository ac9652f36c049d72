/** @file The prepared weights that lie on this machine's disk, and removing them. */
import { readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GlmError } from "../errors.ts";
import { asideName, onDisk } from "../files.ts";
import { bytesIn } from "../hub/cached-models.ts";
import { tryLock } from "../lock.ts";
import { MARK } from "./prepared-cache.ts";

export interface PreparedFolder {
  /** Of the checkpoint that they were made of: its fingerprint. */
  readonly checkpoint: string;
  /** "int4-fast-v2-...": what tells forms apart. */
  readonly form: string;
  readonly folder: string;
  readonly bytes: number;
  /** When they were used last, in milliseconds since 1970. */
  readonly used: number;
}

/** @param root checkpoint/form lie below it */
export async function preparedFolders(root: string): Promise<readonly PreparedFolder[]> {
  const found: PreparedFolder[] = [];
  for (const checkpoint of await readdir(root).catch(() => [])) {
    for (const form of await readdir(join(root, checkpoint)).catch(() => [])) {
      const folder = join(root, checkpoint, form);
      const mark = await stat(join(folder, MARK)).catch(() => stat(folder).catch(() => undefined));
      if (form.startsWith(".") || !mark) continue;
      found.push({ checkpoint, form, folder, bytes: await bytesIn(folder), used: mark.mtimeMs });
    }
  }
  return found;
}

/**
 * Deletes prepared weights: who has them open keeps them as long, and who wants them makes them again.
 * @throws GlmError "disk" while they are being made, or when they cannot be deleted
 */
export async function removePrepared({ folder }: PreparedFolder): Promise<void> {
  const turn = await onDisk(folder, 0, async () => tryLock(folder));
  if (!turn)
    throw new GlmError("disk", `${folder}: these weights are being prepared at this moment. Remove them later.`);
  try {
    await onDisk(folder, 0, async () => {
      // At once for all who look: they find either everything or nothing.
      const aside = join(dirname(folder), asideName("removed"));
      await rename(folder, aside);
      await rm(aside, { recursive: true, force: true });
    });
  } finally {
    turn.end();
  }
  // Fails as long as there is anything in it.
  await rmdir(dirname(folder)).catch(() => undefined);
}
