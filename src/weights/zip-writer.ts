/** @file Zip archives of stored entries, written as a stream; sizes and offsets in 64 bits, so that they may be of any size. */
import { crc32 } from "node:zlib";

export interface ZipContent {
  readonly name: string;
  readonly content: Uint8Array;
}

/** PyTorch maps what it loads: numbers begin at multiples of this. */
const ALIGNMENT = 64;

/** Bytes of a local header before its name, with the field for wide sizes that is in every one, and the head of the padding. */
const [LOCAL, WIDE, PADDING] = [30, 20, 4];
/** "FB", as PyTorch marks what fills up. */
const PADDING_ID = 0x4246;
const VERSION = 45;
const NARROW = 0xffffffff;

interface Placed extends ZipContent {
  readonly at: number;
  readonly crc: number;
}

/** The size of the archive of these entries. */
export function zipSize(entries: readonly ZipContent[]): number {
  const end = entries.reduce((at, entry) => at + headerSize(entry, at) + entry.content.length, 0);
  const central = entries.reduce((sum, { name }) => sum + 46 + Buffer.byteLength(name) + 28, 0);
  return end + central + 56 + 20 + 22;
}

/** The archive's bytes, in pieces. */
export function* zipChunks(entries: readonly ZipContent[]): Generator<Uint8Array> {
  const placed: Placed[] = [];
  let at = 0;
  for (const entry of entries) {
    const one = { ...entry, at, crc: crc32(entry.content) };
    placed.push(one);
    yield localHeader(one);
    yield entry.content;
    at += headerSize(entry, at) + entry.content.length;
  }
  const directory = Buffer.concat(placed.map(centralRecord));
  yield directory;
  yield endRecords(placed.length, directory.length, at);
}

/** Bytes from where an entry begins to its content. */
function headerSize({ name }: ZipContent, at: number): number {
  const least = LOCAL + Buffer.byteLength(name) + WIDE + PADDING;
  return least + ((ALIGNMENT - ((at + least) % ALIGNMENT)) % ALIGNMENT);
}

/** Integers of the given sizes in bytes, one after the other. */
export function record(...fields: readonly (readonly [size: 2 | 4 | 8, value: number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, size);
    at += size;
  }
  return bytes;
}

/** What header and directory both say: version, flags, method (stored), time, date, CRC-32, and sizes that are elsewhere. */
const shared = ({ crc }: Placed): (readonly [2 | 4, number])[] => [
  [2, VERSION],
  [2, 0],
  [2, 0],
  [2, 0],
  [2, 0],
  [4, crc],
  [4, NARROW],
  [4, NARROW],
];

function localHeader(entry: Placed): Buffer {
  const name = Buffer.from(entry.name);
  const size = entry.content.length;
  const padding = headerSize(entry, entry.at) - LOCAL - name.length - WIDE - PADDING;
  return Buffer.concat([
    record([4, 0x04034b50], ...shared(entry), [2, name.length], [2, WIDE + PADDING + padding]),
    name,
    record([2, 1], [2, 16], [8, size], [8, size], [2, PADDING_ID], [2, padding]),
    Buffer.alloc(padding),
  ]);
}

function centralRecord(entry: Placed): Buffer {
  const name = Buffer.from(entry.name);
  const size = entry.content.length;
  const lengths = [
    [2, name.length],
    [2, 28],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, NARROW],
  ] as const;
  return Buffer.concat([
    record([4, 0x02014b50], [2, VERSION], ...shared(entry), ...lengths),
    name,
    record([2, 1], [2, 24], [8, size], [8, size], [8, entry.at]),
  ]);
}

function endRecords(count: number, bytes: number, offset: number): Buffer {
  const disks = [4, 0] as const;
  return Buffer.concat([
    record([4, 0x06064b50], [8, 44], [2, VERSION], [2, VERSION], disks, disks),
    record([8, count], [8, count], [8, bytes], [8, offset]),
    record([4, 0x07064b50], disks, [8, offset + bytes], [4, 1]),
    record([4, 0x06054b50], [2, 0], [2, 0], [2, 0xffff], [2, 0xffff], [4, NARROW], [4, NARROW], [2, 0]),
  ]);
}
