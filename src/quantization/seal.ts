/**
 * @file Checksums of prepared weights: a flipped bit in them changes answers, and nothing else would tell. A file has one
 * for each of at most 64 parts, and one of what its header says. All of a small file is checked whenever it is found;
 * of a large one, other parts each time, so that loading takes no longer than before.
 */
import { crc32 } from "node:zlib";
import { openFile, readingOf } from "../regular-file.ts";
import type { Header, TensorLayout } from "../weights/header.ts";

const PARTS = 64;
/** Parts are no smaller than this, in bytes. */
const LEAST = 2 ** 16;
/** Bytes that are read at a time. */
const PIECE = 2 ** 22;
/** Hexadecimal digits of a CRC-32. */
const DIGITS = 8;

/** In the metadata of the file's header. */
const CONTENT = "checksums";
const HEADER = "header checksum";

type Metadata = Readonly<Record<string, string>>;

/** Metadata as long as that of `sealed`, for who must know the header's length before there is any content. */
export function unsealed(contentBytes: number): Metadata {
  const parts = Math.ceil(contentBytes / partBytes(contentBytes));
  return { [CONTENT]: "0".repeat(DIGITS * parts), [HEADER]: "0".repeat(DIGITS) };
}

/**
 * The metadata of a file whose content is written, with its checksums.
 * @param tensors in the order in which they lie
 * @param from where in the file the content begins
 */
export async function sealed(
  file: string,
  tensors: readonly TensorLayout[],
  metadata: Metadata,
  from: number,
  to: number,
): Promise<Metadata> {
  const size = partBytes(to - from);
  const checksums: string[] = [];
  for (let at = from; at < to; at += size) checksums.push("");
  await eachPart(file, [...checksums.keys()], from, to, (part, checksum) => {
    checksums[part] = checksum;
    return true;
  });
  const whole = { ...metadata, [CONTENT]: checksums.join("") };
  return { ...whole, [HEADER]: headerChecksum(tensors, whole) };
}

/**
 * Whether a file is as it was sealed, as far as it is looked at.
 * @param most bytes of it that are read; one part at least is
 */
export async function isSound(file: string, { tensors, metadata }: Header, most: number): Promise<boolean> {
  const inOrder = [...tensors].sort((a, b) => a.offset - b.offset);
  const [first, last] = [inOrder[0], inOrder.at(-1)];
  if (!first || !last) return false;
  const { [HEADER]: header, ...rest } = metadata;
  if (header !== headerChecksum(inOrder, rest)) return false;
  const [from, to] = [first.offset, last.offset + last.bytes];
  const said = rest[CONTENT] ?? "";
  const size = partBytes(to - from);
  const parts = Math.ceil((to - from) / size);
  if (said.length !== DIGITS * parts) return false;
  const chosen = someOf(parts, Math.max(1, Math.floor(most / size)));
  return eachPart(file, chosen, from, to, (part, checksum) => said.startsWith(checksum, DIGITS * part));
}

const partBytes = (bytes: number): number => Math.max(LEAST, Math.ceil(bytes / PARTS / LEAST) * LEAST);

function headerChecksum(tensors: readonly TensorLayout[], metadata: Metadata): string {
  const layouts = tensors.map(({ name, dtype, shape }) => [name, dtype, shape]);
  return digits(crc32(JSON.stringify([layouts, Object.entries(metadata).sort()])));
}

const digits = (checksum: number): string => checksum.toString(16).padStart(DIGITS, "0");

/** All of them, or so many at random: what is not looked at now is another time. */
function someOf(count: number, wanted: number): number[] {
  const all = [...Array(count).keys()];
  if (wanted >= count) return all;
  return Array.from({ length: wanted }, () => all.splice(Math.floor(Math.random() * all.length), 1)[0] as number).sort(
    (a, b) => a - b,
  );
}

/** Reads parts until one is not as wanted; returns whether all are. */
async function eachPart(
  file: string,
  parts: readonly number[],
  from: number,
  to: number,
  isWanted: (part: number, checksum: string) => boolean,
): Promise<boolean> {
  const size = partBytes(to - from);
  const buffer = Buffer.allocUnsafe(Math.min(size, PIECE));
  const handle = await openFile(file);
  try {
    for (const part of parts) {
      const end = Math.min(from + (part + 1) * size, to);
      let checksum = 0;
      for (let at = from + part * size; at < end; ) {
        const want = Math.min(buffer.length, end - at);
        const { bytesRead } = await readingOf(want, handle.read(buffer, 0, want, at));
        if (bytesRead === 0) return false;
        checksum = crc32(buffer.subarray(0, bytesRead), checksum);
        at += bytesRead;
      }
      if (!isWanted(part, digits(checksum))) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}
