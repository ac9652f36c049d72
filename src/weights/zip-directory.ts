/**
 * @file The directory of a zip archive, zip64 included: which entries it has, and between which places of the file.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.10. What a record says is checked against the file before it is believed.
 */
import type { FileHandle } from "node:fs/promises";
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { readBytes, viewOf } from "../file-bytes.ts";
import { damaged } from "./faults.ts";

/** One entry as the central directory gives it. */
export interface ZipEntry {
  readonly name: string;
  /** Length of the name as it is stored. */
  readonly nameBytes: number;
  /** Size of the content in bytes. */
  readonly bytes: number;
  /** The content's CRC-32; 0 when the writer did not compute it. */
  readonly crc: number;
  readonly flags: number;
  readonly method: number;
  readonly headerOffset: number;
  /** Where the next entry's header, or the directory, begins. */
  readonly end: number;
}

/** An entry before it is known what follows it. */
type Listed = Omit<ZipEntry, "end">;

/** A zip file that is open for reading. */
export interface ZipFile {
  readonly file: string;
  readonly handle: FileHandle;
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

/** A checkpoint has hundreds of entries; each costs memory and, when used, a read. */
const maxEntries = 50_000;
const maxDirectoryBytes = 16 * 2 ** 20;
const endBytes = 22;
const signatures = { central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator: 0x07064b50 };

/**
 * Reads and checks the central directory.
 * @throws GlmError "model-invalid" when it is damaged, "unsupported" when the archive has several parts
 */
export async function readZip(handle: FileHandle, file: string, fileBytes: number): Promise<ZipFile> {
  const { count, offset, bytes } = await findDirectory(handle, file, fileBytes);
  if (count > maxEntries || bytes > maxDirectoryBytes) {
    throw damaged(file, "a zip file of weights", [
      `its directory claims ${count} entries in ${bytes} bytes, expected at most ${maxEntries} in ${maxDirectoryBytes}`,
    ]);
  }
  const directory = await readBytes(handle, file, offset, bytes);
  const entries: Listed[] = [];
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    const { entry, next } = centralEntry(directory, at, file);
    entries.push(entry);
    at = next;
  }
  const faults: string[] = [];
  if (at !== bytes) faults.push(`its directory has ${bytes} bytes, but ${count} entries take ${at}`);
  return { file, handle, entries: inPlace(entries, offset, file, faults) };
}

/** The entries by name, each with the place where the next one begins: so no two can lie on top of one another. */
function inPlace(
  entries: readonly Listed[],
  directoryOffset: number,
  file: string,
  faults: string[],
): Map<string, ZipEntry> {
  const inOrder = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  const byName = new Map<string, ZipEntry>();
  for (const [i, entry] of inOrder.entries()) {
    const end = inOrder[i + 1]?.headerOffset ?? directoryOffset;
    if (end <= entry.headerOffset)
      faults.push(`${describe(entry.name)} begins at ${entry.headerOffset}, where others lie`);
    if (byName.has(entry.name)) faults.push(`it has two entries named ${describe(entry.name)}`);
    byName.set(entry.name, { ...entry, end });
  }
  if (faults.length > 0) throw damaged(file, "a zip file", faults);
  return byName;
}

/** Number of entries, offset and size of the central directory, from the records at the file's end. */
async function findDirectory(
  handle: FileHandle,
  file: string,
  fileBytes: number,
): Promise<{ count: number; offset: number; bytes: number }> {
  const fail = (fault: string): GlmError => damaged(file, "a zip file", [fault]);
  // The record is followed by a comment of at most 65535 bytes, whose length it gives.
  const tailOffset = Math.max(0, fileBytes - endBytes - 0xffff);
  const tail = await readBytes(handle, file, tailOffset, fileBytes - tailOffset);
  const view = viewOf(tail);
  let at = tail.length - endBytes;
  const isEnd = (): boolean =>
    view.getUint32(at, true) === signatures.end && view.getUint16(at + 20, true) === tail.length - at - endBytes;
  while (at >= 0 && !isEnd()) at -= 1;
  if (at < 0) throw fail(`expected a zip directory at the end of ${fileBytes} bytes, found none: it is truncated`);
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  const counts = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  let [count, bytes, offset] = [counts[1] as number, view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
  let limit = tailOffset + at;
  if (at >= 20 && view.getUint32(at - 20, true) === signatures.locator) {
    const recordOffset = Number(view.getBigUint64(at - 12, true));
    if (recordOffset + 56 > limit - 20) throw fail(`its zip64 record at ${recordOffset} lies outside the file`);
    const record = viewOf(await readBytes(handle, file, recordOffset, 56));
    if (record.getUint32(0, true) !== signatures.end64) throw fail(`expected a zip64 record at ${recordOffset}`);
    disks.push(record.getUint32(16, true), record.getUint32(20, true));
    counts.splice(0, 2, Number(record.getBigUint64(24, true)), Number(record.getBigUint64(32, true)));
    count = counts[1] as number;
    bytes = Number(record.getBigUint64(40, true));
    offset = Number(record.getBigUint64(48, true));
    limit = recordOffset;
  }
  if (disks.some((disk) => disk !== 0) || counts[0] !== counts[1]) {
    throw new GlmError(
      "unsupported",
      `${file}: expected a zip file in one part, got one of several. Fetch it again whole.`,
    );
  }
  if (offset + bytes !== limit) {
    throw fail(
      `its directory of ${bytes} bytes at ${offset} should end at ${limit}: the file is truncated or has bytes added`,
    );
  }
  return { count, offset, bytes };
}

/** One record of the central directory, and where the next begins. */
function centralEntry(directory: Uint8Array, at: number, file: string): { entry: Listed; next: number } {
  const fail = (fault: string): GlmError =>
    damaged(file, "a zip file", [`its directory entry at byte ${at}: ${fault}`]);
  const view = viewOf(directory);
  if (at + 46 > directory.length) throw fail("cut off");
  if (view.getUint32(at, true) !== signatures.central) throw fail("expected the signature of an entry");
  const nameBytes = view.getUint16(at + 28, true);
  const extraBytes = view.getUint16(at + 30, true);
  const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
  if (next > directory.length) throw fail("cut off");
  const name = new TextDecoder().decode(directory.subarray(at + 46, at + 46 + nameBytes));
  const extra = directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes);
  // In this order the zip64 field gives what does not fit into 32 bits.
  const wide = zip64Field(extra);
  const number = (short: number): number => {
    if (short !== 0xffffffff) return short;
    const value = wide?.next();
    if (value === undefined) throw fail("a size of 64 bits is missing");
    return value;
  };
  const bytes = number(view.getUint32(at + 24, true));
  const storedBytes = number(view.getUint32(at + 20, true));
  const headerOffset = number(view.getUint32(at + 42, true));
  const entry = {
    name,
    nameBytes,
    bytes,
    crc: view.getUint32(at + 16, true),
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    headerOffset,
  };
  if (entry.method === 0 && storedBytes !== bytes) {
    throw fail(`${describe(name)} is stored as it is, but in ${storedBytes} bytes instead of ${bytes}`);
  }
  return { entry, next };
}

/** The 64-bit numbers of an entry's zip64 extra field (header id 1), one after the other. */
function zip64Field(extra: Uint8Array): { next(): number | undefined } | undefined {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > extra.length) return undefined;
    if (view.getUint16(at, true) === 1) {
      let place = at + 4;
      return {
        next() {
          place += 8;
          return place <= end ? Number(view.getBigUint64(place - 8, true)) : undefined;
        },
      };
    }
    at = end;
  }
  return undefined;
}
