/**
 * @file Locks without help from the system: numbered files, of which the highest counts. A process takes one for as long as
 * it lives, or for a piece of work.
 *
 * Whoever finds the highest number's process dead claims the next number, which only one can (a hard link to a file
 * that is complete fails when the name is taken). Numbers never come back, so a latecomer's view of a dead holder
 * cannot make it remove or retake a living one's file: it sees a higher number, and steps back.
 *
 * Machines and containers may share a folder. A process can be looked for only where it runs: elsewhere, its turn is known
 * to go on by its heartbeat, which is measured by the clock of the disk, as clocks of machines differ.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { threadId } from "node:worker_threads";

export interface Holder {
  readonly pid: number;
  /** When the process started, in the system's own words: a process number may be given again. */
  readonly started: string;
  /** The machine, since it was started, and the container: process numbers mean something only there. */
  readonly host: string;
  /** The thread as Linux counts them: one can end while its process lives. Absent where that is not known. */
  readonly thread?: number;
}

/** A lock that was taken for a piece of work. */
export interface FolderLock {
  /** Whether the holder before is known to have died in the midst of it: what it left aside is nobody's. */
  readonly afterDeath: boolean;
  /** Gives the lock back. */
  end(): void;
}

const PATTERN = /^lock\.(\d+)$/;
/** A lock that is being taken. */
const CLAIM = /^claim\./;

/** Who works says so every `BEAT_MS`, and is taken for gone after `SILENCE_MS`: a thread can end while its process lives. */
const BEAT_MS = 3000;
export const SILENCE_MS = 20_000;

/** What is known of the work under the highest lock: its holder died, or it is over, or was silent for too long. */
type State = "held" | "dead" | "over";

interface Attempt {
  /** Of the lock that was taken; undefined when it is held. */
  readonly number?: number;
  /** Who holds it, or held it before. */
  readonly other?: Holder | undefined;
  readonly state: State;
}

/**
 * Takes the lock in a folder for this process, for as long as it lives.
 * @returns undefined when taken, otherwise who holds it
 */
export function takeLock(folder: string): Holder | undefined {
  const { number, other } = take(folder, (holder) => (holder && isAlive(holder) ? "held" : "dead"), claim);
  return number === undefined ? other : undefined;
}

/** Gives back what `takeLock` took, if this process has it: the next one need not wait for its end. */
export function releaseLock(folder: string): void {
  const highest = existsSync(folder) ? highestLock(folder) : 0;
  const holder = highest === 0 ? undefined : readLock(folder, highest);
  if (holder?.pid !== process.pid || !isAlive(holder)) return;
  // The file stays, for its number, and names nobody.
  writeFileSync(join(folder, `lock.${highest}`), "null");
}

/**
 * Takes the lock in a folder for a piece of work of this thread, which must let the event loop run meanwhile.
 * @returns undefined when somebody else works there
 */
export function tryLock(folder: string): FolderLock | undefined {
  const { number, state } = take(folder, stateOfTurn, claimAnywhere);
  if (number === undefined) return undefined;
  const path = join(folder, `lock.${number}`);
  const beat = setInterval(() => touch(path), BEAT_MS).unref();
  return {
    afterDeath: state === "dead",
    end() {
      clearInterval(beat);
      // The file stays, for its number; its holder has been silent for decades.
      touch(path, new Date(0));
    },
  };
}

/** @param now a file that was written just now, on the same disk */
function stateOfTurn(holder: Holder | undefined, path: string, now: string): State {
  const [beaten, present] = [path, now].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs);
  if (beaten === undefined || present === undefined || present - beaten > SILENCE_MS) return "over";
  // One that cannot be read is being written.
  return holder?.host === host && !(isAlive(holder) && hasThread(holder)) ? "dead" : "held";
}

/** Whether a file of a locked folder is there for its lock. */
export const isOfLock = (name: string): boolean => PATTERN.test(name) || CLAIM.test(name);

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

/** Whether the thread is still there, as far as the system tells. */
function hasThread({ pid, thread }: Holder): boolean {
  return thread === undefined || existsSync(`/proc/${pid}/task/${thread}`);
}

function take(
  folder: string,
  stateOf: (holder: Holder | undefined, path: string, now: string) => State,
  claimLock: (own: string, lock: string) => boolean,
): Attempt {
  const own = join(folder, `claim.${hostKey}.${process.pid}.${threadId}`);
  const self: Holder = { pid: process.pid, started: startOf(process.pid), host, ...ownThread() };
  writeFileSync(own, JSON.stringify(self));
  try {
    for (;;) {
      const highest = highestLock(folder);
      const other = highest === 0 ? undefined : readLock(folder, highest);
      const state = highest === 0 ? "over" : stateOf(other, join(folder, `lock.${highest}`), own);
      if (state === "held") return { other, state };
      if (!claimLock(own, join(folder, `lock.${highest + 1}`))) continue;
      if (highestLock(folder) === highest + 1) {
        removeBelow(folder, highest + 1);
        return { number: highest + 1, other, state };
      }
      rmSync(join(folder, `lock.${highest + 1}`), { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** A lock that was taken over, or whose folder was removed, is nobody's to touch. Without a time, the disk gives its own. */
function touch(path: string, time?: Date): void {
  try {
    if (time) {
      utimesSync(path, time, time);
      return;
    }
    const file = openSync(path, "r+");
    try {
      // The character that is there.
      writeSync(file, "{", 0);
    } finally {
      closeSync(file);
    }
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
    const host = "host" in content ? String(content.host) : "";
    const thread = "thread" in content ? { thread: Number(content.thread) } : {};
    return { pid: Number(content.pid), started: String(content.started), host, ...thread };
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

/** Some disks know no hard links. A copy has its name before its content: until it can be read, it counts as held. */
function claimAnywhere(own: string, lock: string): boolean {
  try {
    return claim(own, lock);
  } catch {
    try {
      copyFileSync(own, lock, constants.COPYFILE_EXCL);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw error;
    }
  }
}

/** The highest file stays for good, also after its holder: numbers must never come back. */
function removeBelow(folder: string, number: number): void {
  for (const name of readdirSync(folder)) {
    const other = Number(PATTERN.exec(name)?.[1] ?? number);
    if (other < number) rmSync(join(folder, name), { force: true });
  }
}

/** What a file of the system says, where there is one. */
function told(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return "";
  }
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8");

/** Linux answers with the thread that asks. */
function ownThread(): Pick<Holder, "thread"> {
  const thread = Number(
    told(() => readlinkSync("/proc/thread-self"))
      .split("/")
      .at(-1),
  );
  return thread > 0 ? { thread } : {};
}

/** Where this process runs. Containers have names and process numbers of their own, on one machine. */
const host: string = [hostname(), told(bootId), told(() => readlinkSync("/proc/self/ns/pid"))].join(" ");

/** The same, as a part of a file's name. */
const hostKey: string = createHash("sha256").update(host).digest("hex").slice(0, 12);

/** When a process started; empty when there is none. */
function startOf(pid: number): string {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The command's name, in parentheses, may hold anything; the start time is the 20th field after it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // A zombie has ended; only its parent does not know yet.
      return fields[0] === "Z" ? "" : `${bootId().trim()}:${fields[19]}`;
    }
    if (process.platform === "win32") return "running";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}
