/** @file Writes zip archives of stored entries, honest ones and others: for tests of the reader. */
import { crc32 } from "node:zlib";

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

/** Integers of the given sizes in bytes, one after the other. */
function record(...fields: readonly (readonly [size: 2 | 4 | 8, value: number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, size);
    at += size;
  }
  return bytes;
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
