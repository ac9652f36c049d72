/** @file Zip archives of stored entries, written honestly or otherwise, and taken apart where they are honest. */
import { crc32 } from "node:zlib";
import { record } from "../../src/weights/zip-writer.ts";

export interface EntryToZip {
  readonly name: string;
  readonly content: Uint8Array;
  /** What the records say instead of the truth. */
  readonly says?: { readonly crc?: number; readonly bytes?: number; readonly method?: number; readonly flags?: number };
}

export interface ZipOptions {
  /** Sizes and offsets in the 64-bit fields only, as if they did not fit into 32 bits. */
  readonly zip64?: boolean;
  /** A comment at the end of the file. */
  readonly comment?: string;
}

/** The archive's bytes. The first entry begins at `start` of the file that they end up in. */
export function zipped(
  entries: readonly EntryToZip[],
  { zip64 = false, comment = "" }: ZipOptions = {},
  start = 0,
): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = start;
  for (const entry of entries) {
    const local = Buffer.concat([localHeader(entry), entry.content]);
    locals.push(local);
    centrals.push(centralRecord(entry, at, zip64));
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  return Buffer.concat([...locals, directory, endRecords(entries.length, directory.length, at, zip64, comment)]);
}

/** What header and directory both say: version, flags, method, time, date and CRC-32. */
function shared({ content, says }: EntryToZip): (readonly [2 | 4, number])[] {
  const method = says?.method ?? 0;
  return [
    [2, 45],
    [2, says?.flags ?? 0],
    [2, method],
    [2, 0],
    [2, 0],
    [4, says?.crc ?? crc32(content)],
  ];
}

function localHeader(entry: EntryToZip): Buffer {
  const name = Buffer.from(entry.name);
  const size = entry.says?.bytes ?? entry.content.length;
  const sizes = [
    [4, size],
    [4, size],
    [2, name.length],
    [2, 0],
  ] as const;
  return Buffer.concat([record([4, 0x04034b50], ...shared(entry), ...sizes), name]);
}

function centralRecord(entry: EntryToZip, offset: number, zip64: boolean): Buffer {
  const name = Buffer.from(entry.name);
  const size = entry.says?.bytes ?? entry.content.length;
  const extra = zip64 ? record([2, 1], [2, 24], [8, size], [8, size], [8, offset]) : Buffer.alloc(0);
  const short = (value: number): number => (zip64 ? 0xffffffff : value);
  const lengths = [
    [2, name.length],
    [2, extra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
  ] as const;
  return Buffer.concat([
    record([4, 0x02014b50], [2, 45], ...shared(entry), [4, short(size)], [4, short(size)], ...lengths, [
      4,
      short(offset),
    ]),
    name,
    extra,
  ]);
}

function endRecords(count: number, bytes: number, offset: number, zip64: boolean, comment: string): Buffer {
  const wide = record(
    [4, 0x06064b50],
    [8, 44],
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, bytes],
    [8, offset],
  );
  const locator = record([4, 0x07064b50], [4, 0], [8, offset + bytes], [4, 1]);
  const [n, size, place] = zip64 ? [0xffff, 0xffffffff, 0xffffffff] : [count, bytes, offset];
  const text = Buffer.from(comment);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, n], [2, n], [4, size], [4, place], [2, text.length]);
  return Buffer.concat([...(zip64 ? [wide, locator] : []), end, text]);
}

/** Where the records of an archive begin. */
export interface ZipRecords {
  readonly end: number;
  /** The 64-bit record and its locator, when there are any. */
  readonly wideEnd?: number;
  readonly locator?: number;
  readonly central: readonly number[];
  readonly local: readonly number[];
}

/** Takes an honest archive without a comment apart. */
export function recordsOf(bytes: Buffer): ZipRecords {
  const end = bytes.length - 22;
  const locator = bytes.readUInt32LE(end - 20) === 0x07064b50 ? end - 20 : undefined;
  const wideEnd = locator === undefined ? undefined : Number(bytes.readBigUInt64LE(locator + 8));
  const wide = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const count = wideEnd === undefined ? bytes.readUInt16LE(end + 10) : wide(wideEnd + 32);
  const central: number[] = [];
  for (let i = 0, at = wideEnd === undefined ? bytes.readUInt32LE(end + 16) : wide(wideEnd + 48); i < count; i += 1) {
    central.push(at);
    at += 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  const local = central.map((at) => fieldOf(bytes, at, 42, 20));
  return { end, central, local, ...(locator === undefined || wideEnd === undefined ? {} : { locator, wideEnd }) };
}

/** A number of an entry's central record, or of the record's first extra field where it has no room. */
function fieldOf(bytes: Buffer, record: number, narrow: number, wide: number): number {
  const value = bytes.readUInt32LE(record + narrow);
  const extra = record + 46 + bytes.readUInt16LE(record + 28);
  return value === 0xffffffff ? Number(bytes.readBigUInt64LE(extra + wide)) : value;
}

/** The entries of an honest archive without a comment. */
export function unzipped(bytes: Buffer): EntryToZip[] {
  const { central, local } = recordsOf(bytes);
  return central.map((at, i) => {
    const header = local[i] as number;
    const begin = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
    const name = bytes.toString("utf8", at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    return { name, content: bytes.subarray(begin, begin + fieldOf(bytes, at, 24, 4)) };
  });
}
