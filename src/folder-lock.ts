/** @file Work in a folder that one does at a time, on whatever machine: the others wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder, onDisk } from "./files.ts";
import { type FolderLock, tryLock } from "./lock.ts";

const POLL_MS = 250;

/**
 * Waits for the turn to work in a folder, which is made when there is none.
 * @param onWait told again and again while somebody else works there
 * @throws GlmError "disk" when the folder cannot be written to; the signal's reason when it is given up
 */
export async function waitForLock(
  folder: string,
  onWait: () => void | Promise<void>,
  signal?: AbortSignal | undefined,
): Promise<FolderLock> {
  for (;;) {
    signal?.throwIfAborted();
    const turn = await onDisk(folder, 0, () => attempt(folder));
    if (turn) return turn;
    await onWait();
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

/** The folder may be removed meanwhile: whoever had the turn before may have found it unused. */
async function attempt(folder: string): Promise<FolderLock | undefined> {
  for (let tries = 1; ; tries++) {
    await makeFolder(folder);
    try {
      return tryLock(folder);
    } catch (error) {
      if (tries === 3 || !(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
}
