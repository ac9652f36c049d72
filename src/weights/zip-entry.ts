/**
 * @file The entries of a zip archive that are stored as they are: each is a range of the file, which can be mapped or
 * read in place. Nothing is decompressed.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.10. An entry fills the file from its header to the next one's, each byte once.
 */
import { crc32 } from "node:zlib";
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { readBytes, viewOf } from "../file-bytes.ts";
import { damaged } from "./faults.ts";
import type { ZipEntry, ZipFile } from "./zip-directory.ts";

const headerBytes = 30;
const signatures = { header: 0x04034b50, descriptor: 0x08074b50 };
const flag = { encrypted: 1, descriptor: 8 };

/** Whether these first bytes of a file are those of a zip file. */
export function looksLikeZip(start: Uint8Array): boolean {
  return start.length >= 4 && viewOf(start).getUint32(0, true) === signatures.header;
}

/**
 * Where an entry's content begins in the file.
 * @throws GlmError "unsupported" when it is compressed or encrypted, "model-invalid" when it does not lie where it should
 */
export async function contentOffset(zip: ZipFile, entry: ZipEntry): Promise<number> {
  const { handle, file } = zip;
  const { name, nameBytes, bytes, flags, method, headerOffset, end } = entry;
  if ((flags & flag.encrypted) !== 0 || method === 99) {
    throw new GlmError(
      "unsupported",
      `${file}: ${describe(name)} is encrypted. Save the weights again without a password.`,
    );
  }
  if (method !== 0) {
    throw new GlmError(
      "unsupported",
      `${file}: expected entries that are stored uncompressed, as PyTorch writes them, got ${describe(name)} compressed ` +
        `(zip method ${method}). Unpack it and pack it again with: zip -0 -r.`,
    );
  }
  const fail = (fault: string): GlmError => damaged(file, "a zip file", [`${describe(name)}: ${fault}`]);
  const namesEnd = headerBytes + nameBytes;
  if (headerOffset + namesEnd > end) throw fail(`its header at ${headerOffset} reaches beyond ${end}`);
  const local = await readBytes(handle, file, headerOffset, namesEnd);
  const header = viewOf(local);
  if (header.getUint32(0, true) !== signatures.header) throw fail(`expected its header at ${headerOffset}`);
  const sameName = header.getUint16(26, true) === nameBytes && decode(local.subarray(headerBytes)) === name;
  if (!sameName || header.getUint16(8, true) !== method) throw fail("its own header contradicts the directory");
  const offset = headerOffset + namesEnd + header.getUint16(28, true);
  const rest = end - offset - bytes;
  if (rest < 0) throw fail(`its ${bytes} bytes at ${offset} reach beyond ${end}`);
  if (!(await isDescriptor(zip, entry, end - rest, rest))) {
    throw fail(`${rest} bytes after its content, up to ${end}, belong to nothing`);
  }
  return offset;
}

/**
 * Whether the bytes between an entry's content and what follows are what they should be: nothing, or the sizes that a
 * program appends when it did not know them before it wrote.
 */
async function isDescriptor(
  { handle, file }: ZipFile,
  entry: ZipEntry,
  offset: number,
  bytes: number,
): Promise<boolean> {
  if ((entry.flags & flag.descriptor) === 0) return bytes === 0;
  // A signature, the CRC-32, and two sizes of 32 or 64 bits. The format lets programs leave out the signature, but none
  // is known to, and without it the content could begin four bytes later as well.
  if (bytes !== 16 && bytes !== 24) return false;
  const view = viewOf(await readBytes(handle, file, offset, bytes));
  return view.getUint32(0, true) === signatures.descriptor && view.getUint32(4, true) === entry.crc;
}

/**
 * Reads one small entry whole and checks it against its CRC-32.
 * @throws GlmError "model-invalid" when it is larger than `limit` bytes or damaged
 */
export async function readEntry(zip: ZipFile, entry: ZipEntry, limit: number): Promise<Uint8Array> {
  const fail = (fault: string): GlmError => damaged(zip.file, "a zip file", [`${describe(entry.name)}: ${fault}`]);
  if (entry.bytes > limit) throw fail(`it has ${entry.bytes} bytes, expected at most ${limit}`);
  const content = await readBytes(zip.handle, zip.file, await contentOffset(zip, entry), entry.bytes);
  if (entry.crc !== 0 && crc32(content) !== entry.crc) throw fail("its content does not match its checksum");
  return content;
}

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
