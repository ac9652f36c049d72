/**
 * @file Locks without help from the system: numbered files, of which the highest counts. A process takes one for as long as
 * it lives, or for a piece of work.
 *
 * Whoever finds the highest number's process dead claims the next number, which only one can (a hard link to a file
 * that is complete fails when the name is taken). Numbers never come back, so a latecomer's view of a dead holder
 * cannot make it remove or retake a living one's file: it sees a higher number, and steps back.
 */
import { execFileSync } from "node:child_process";
import { linkSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";

export interface Holder {
  readonly pid: number;
  /** When the process started, in the system's own words: a process number may be given again. */
  readonly started: string;
}

/** A lock that was taken for a piece of work. */
export interface Turn {
  /** Gives the lock back. */
  end(): void;
}

const PATTERN = /^lock\.(\d+)$/;

/** Who works says so every `BEAT_MS`, and is taken for gone after `SILENCE_MS`: a thread can end while its process lives. */
const BEAT_MS = 3000;
const SILENCE_MS = 20_000;

/**
 * Takes the lock in a folder for this process, for as long as it lives.
 * @returns undefined when taken, otherwise who holds it
 */
export function takeLock(folder: string): Holder | undefined {
  const taken = take(folder, isAlive);
  return typeof taken === "number" ? undefined : taken;
}

/**
 * Takes the lock in a folder for a piece of work of this thread, which must let the event loop run meanwhile.
 * @returns undefined when somebody else works there
 */
export function takeTurn(folder: string): Turn | undefined {
  const number = take(folder, (holder, path) => isAlive(holder) && !isSilent(path));
  if (typeof number !== "number") return undefined;
  const path = join(folder, `lock.${number}`);
  const beat = setInterval(() => touch(path, new Date()), BEAT_MS).unref();
  return {
    end() {
      clearInterval(beat);
      // The file stays, for its number; its holder has been silent for decades.
      touch(path, new Date(0));
    },
  };
}

/** Who holds the lock of a folder now, if anybody does. */
export function lockHolder(folder: string): Holder | undefined {
  const highest = highestLock(folder);
  const holder = highest === 0 ? undefined : readLock(folder, highest);
  return holder && isAlive(holder) ? holder : undefined;
}

/** Whether the very process still runs, not only one that was given its number. */
export function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process: it lives, but is not ours.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  return startOf(pid) === started;
}

/** @returns the number of the lock that was taken, or who holds it */
function take(folder: string, isHeld: (holder: Holder, path: string) => boolean): number | Holder {
  const own = join(folder, `claim.${process.pid}.${threadId}`);
  writeFileSync(own, JSON.stringify({ pid: process.pid, started: startOf(process.pid) } satisfies Holder));
  try {
    for (;;) {
      const highest = highestLock(folder);
      const holder = highest === 0 ? undefined : readLock(folder, highest);
      if (holder && isHeld(holder, join(folder, `lock.${highest}`))) return holder;
      if (!claim(own, join(folder, `lock.${highest + 1}`))) continue;
      if (highestLock(folder) === highest + 1) {
        removeBelow(folder, highest + 1);
        return highest + 1;
      }
      rmSync(join(folder, `lock.${highest + 1}`), { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function isSilent(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > SILENCE_MS;
}

/** A lock that was taken over, or whose folder was removed, is nobody's to touch. */
function touch(path: string, time: Date): void {
  try {
    utimesSync(path, time, time);
  } catch {
    return;
  }
}

function highestLock(folder: string): number {
  return readdirSync(folder).reduce((highest, name) => Math.max(highest, Number(PATTERN.exec(name)?.[1] ?? 0)), 0);
}

/** Undefined when the file was removed meanwhile (a higher one is there then) or damaged. */
function readLock(folder: string, number: number): Holder | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(join(folder, `lock.${number}`), "utf8"));
    if (typeof content !== "object" || content === null || !("pid" in content) || !("started" in content))
      return undefined;
    return { pid: Number(content.pid), started: String(content.started) };
  } catch {
    return undefined;
  }
}

function claim(own: string, lock: string): boolean {
  try {
    linkSync(own, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** The highest file stays for good, also after its holder: numbers must never come back. */
function removeBelow(folder: string, number: number): void {
  for (const name of readdirSync(folder)) {
    const other = Number(PATTERN.exec(name)?.[1] ?? number);
    if (other < number) rmSync(join(folder, name), { force: true });
  }
}

/** When a process started; empty when there is none. */
function startOf(pid: number): string {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The command's name, in parentheses, may hold anything; the start time is the 20th field after it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // A zombie has ended; only its parent does not know yet.
      return fields[0] === "Z" ? "" : `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
    }
    if (process.platform === "win32") return "running";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}
