/**
 * @file Writing files so that nothing is lost: everything is written aside and flushed to the disk first, then renamed.
 * Whatever goes wrong on the way, the files that were there are still whole.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { byteSize } from "./byte-size.ts";
import { GlmError } from "./errors.ts";

/** Pieces of a file, in order. A generator makes them one at a time, so that a large file is never in memory as a whole. */
export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface FileToWrite {
  readonly name: string;
  /** The file's size, for the message when there is no room for it. */
  readonly bytes: number;
  readonly content: Chunks;
  /** Whether it is for its owner's eyes only, whatever the process's umask allows. */
  readonly isPrivate?: boolean;
}

/** Permissions of files and folders that are their owner's alone. */
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** A text file in UTF-8. */
export function textFile(name: string, text: string): FileToWrite {
  const bytes = new TextEncoder().encode(text);
  return { name, bytes: bytes.length, content: [bytes] };
}

/**
 * Writes one file, replacing an old one only when the new one is complete. Its folder is made when there is none.
 * @throws GlmError "disk" when it cannot be written; the old file is then untouched
 */
export async function replaceFile(path: string, content: Chunks, bytes: number): Promise<void> {
  await replaceFiles(dirname(path), [{ name: basename(path), bytes, content }]);
}

/**
 * Writes several files of one folder; none is replaced before all are complete. Other files stay, but for those that
 * `obsolete` names (a shard of an earlier, larger model). The files take their places in the order given: put the one
 * that leads to the others last.
 * @throws GlmError "disk" when one cannot be written; the old files are then untouched
 */
export async function replaceFiles(
  folder: string,
  files: readonly FileToWrite[],
  obsolete: (name: string) => boolean = () => false,
): Promise<void> {
  const target = resolve(folder);
  const needed = files.reduce((sum, file) => sum + file.bytes, 0);
  const paths = new Map(files.map((file) => [file, join(target, asideName(file.name))]));
  const aside = (file: FileToWrite): string => paths.get(file) as string;
  const isPrivate = files.some((file) => file.isPrivate);
  const made = await onDisk(target, needed, () => makeFolder(target, isPrivate));
  try {
    for (const file of files) await refuseFolder(join(target, file.name), needed);
    for (const file of files) await writeFlushed(aside(file), file, join(target, file.name), needed);
    for (const file of files) {
      const path = join(target, file.name);
      await onDisk(path, needed, () => rename(aside(file), path));
    }
    const written = new Set(files.map((file) => file.name));
    for (const name of await readdir(target)) {
      if (!written.has(name) && obsolete(name)) await rm(join(target, name), { force: true });
    }
    await removeAbandoned(target);
    await flushFolder(target);
  } catch (error) {
    for (const file of files) await rm(aside(file), { force: true });
    // Only folders made here, and only while they are empty.
    for (const folder of made) await rmdir(folder).catch(() => undefined);
    throw error;
  }
}

/** A file that grows beside its place. What was appended can be read there, by others too, before it is complete. */
export interface GrowingFile {
  readonly path: string;
  /** Where the next piece will lie. */
  readonly length: number;
  append(piece: Uint8Array): Promise<void>;
  /** Writes over what was appended. */
  overwrite(offset: number, piece: Uint8Array): Promise<void>;
}

/**
 * Writes one file whose content depends on what was written before; it takes its place only when `grow` has ended well.
 * @param bytes about how large it will be, for the message when there is no room
 * @throws GlmError "disk" when it cannot be written; an old file is then untouched
 */
export async function growFile(path: string, bytes: number, grow: (file: GrowingFile) => Promise<void>): Promise<void> {
  const folder = dirname(resolve(path));
  const aside = join(folder, asideName(basename(path)));
  await onDisk(folder, bytes, () => makeFolder(folder));
  await removeAbandoned(folder);
  const file = await onDisk(path, bytes, () => open(aside, "w"));
  let length = 0;
  try {
    await grow({
      path: aside,
      get length() {
        return length;
      },
      async append(piece) {
        await onDisk(path, bytes, () => writeFully(file, piece));
        length += piece.length;
      },
      overwrite: (offset, piece) => onDisk(path, bytes, () => writeFully(file, piece, offset)),
    });
    await onDisk(path, bytes, () => file.sync());
    await onDisk(path, bytes, () => rename(aside, path));
    await flushFolder(folder);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** A folder in a file's place is found before anything is written, or some files would be new and others old. */
async function refuseFolder(path: string, needed: number): Promise<void> {
  await onDisk(path, needed, async () => {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) throw Object.assign(new Error(`${path} is a folder`), { code: "EISDIR" });
  });
}

/** A name for what grows into a file of the folder, or is of use only meanwhile; never the same twice. */
export const asideName = (name: string): string => `.${name}.${randomBytes(6).toString("hex")}.part`;

const ASIDE = /^\..+\.[0-9a-f]{12}\.part$/;

/**
 * Removes what processes left aside in a folder that were killed while they wrote.
 * @param age milliseconds for which it was not written to; by default a day, which nobody writes at one file
 */
export async function removeAbandoned(folder: string, age: number = 24 * 3600 * 1000): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!ASIDE.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    // What cannot be removed is in nobody's way.
    if (found && Date.now() - found.mtimeMs >= age) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/**
 * Makes a folder and those above it; returns the ones that were missing, deepest first. Level by level: in places like
 * /proc Node's own recursive mkdir never ends.
 * @param isPrivate whether those that are made are for their owner's eyes only
 */
export async function makeFolder(folder: string, isPrivate = false): Promise<string[]> {
  const missing: string[] = [];
  for (let at = folder; !(await isFolder(at)) && at !== dirname(at); at = dirname(at)) missing.push(at);
  for (const path of [...missing].reverse()) {
    await mkdir(path, isPrivate ? PRIVATE_FOLDER : undefined).catch(async (error: unknown) => {
      // Somebody else may have been faster.
      if (!(await isFolder(path))) throw error;
    });
  }
  return missing;
}

/** Whether there is a folder at a path. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** Writes to `path` and waits until the bytes are on the disk. `subject` is the file as the user knows it. */
async function writeFlushed(
  path: string,
  { content, isPrivate }: FileToWrite,
  subject: string,
  needed: number,
): Promise<void> {
  const file = await onDisk(subject, needed, () => open(path, "w", isPrivate ? PRIVATE_FILE : undefined));
  try {
    // Only the writing is a matter of the disk: what goes wrong while a piece is made passes as it is.
    for await (const chunk of content) await onDisk(subject, needed, () => writeFully(file, chunk));
    await onDisk(subject, needed, () => file.sync());
  } finally {
    await file.close();
  }
}

/**
 * Runs an action on the disk; what the user can put right becomes a GlmError about `subject`.
 * @param needed bytes that room is needed for, for the message
 */
export async function onDisk<T>(subject: string, needed: number, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw await diskError(subject, needed, cause);
  }
}

/** One write call may take less than it was given, and no more than 2 GiB. */
async function writeFully(file: FileHandle, chunk: Uint8Array, offset?: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const position = offset === undefined ? null : offset + at;
    const { bytesWritten } = await file.write(chunk, at, Math.min(chunk.length - at, 2 ** 30), position);
    at += bytesWritten;
  }
}

/** Makes the renames last through a power cut. Windows cannot open a folder, and needs no such call. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Turns a failed write into a message that says why and what to do; other failures are returned as they are. */
async function diskError(path: string, needed: number, cause: unknown): Promise<unknown> {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why = reasons[code];
  if (why === undefined) return cause;
  const room = code === "ENOSPC" ? await freeSpace(path) : "";
  return new GlmError(
    "disk",
    `${path} was not written: ${why(byteSize(needed) + room)} What was there before is unchanged.`,
    { cause },
  );
}

/** By the system's error code; the text gets the size of what was to be written. */
const reasons: Readonly<Record<string, (needed: string) => string>> = {
  ENOSPC: (needed) => `the disk is full, expected room for ${needed}. Free some space, or save to another disk.`,
  EDQUOT: (needed) =>
    `your disk quota is used up, expected room for ${needed}. Free some space, or save to another disk.`,
  EFBIG: (needed) => `the system does not allow files this large (${needed}). Raise its limit (ulimit -f).`,
  EACCES: () => "you have no right to write there. Choose another folder, or change its permissions.",
  EPERM: () => "you have no right to write there. Choose another folder, or change its permissions.",
  EROFS: () => "that disk is read-only. Choose another folder.",
  ENOTDIR: () =>
    "expected a folder on the way there, got a file of that name. Choose another folder, or move the file.",
  EEXIST: () => "expected a folder there, got a file of that name. Choose another folder, or move the file.",
  EISDIR: () => "expected a file there, got a folder of that name. Choose another name, or move the folder.",
  ENOENT: () => "that place takes no new folders or files. Choose another folder.",
  ENAMETOOLONG: () => "its name is too long. Choose a shorter one.",
  EXDEV: () => "its folder lies on several disks. Choose another folder.",
  EIO: () => "the disk reports a hardware error. Save to another disk.",
};

/** " (1.2 GB are free)", when the system tells. */
async function freeSpace(path: string): Promise<string> {
  const free = await freeBytes(path);
  return free === undefined ? "" : ` (${byteSize(free)} are free)`;
}

/** The bytes that are free on the disk where a path lies or would lie; undefined when the system does not tell. */
export async function freeBytes(path: string): Promise<number | undefined> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const disk = await statfs(at).catch(() => undefined);
    if (disk) return disk.bavail * disk.bsize;
    if (at === dirname(at)) return undefined;
  }
}
