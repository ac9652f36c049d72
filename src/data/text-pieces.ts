/** @file The text of a file, piece by piece: strictly UTF-8, unpacked where it is packed, however large it is. */
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { openFile } from "../regular-file.ts";
import { decodedText } from "../text-encoding.ts";
import { broken, notData } from "./refusal.ts";

/** Bytes that are read at a time. */
const PIECE = 2 ** 20;

/**
 * @throws GlmError "data-invalid" for other encodings, which are named where it can be told, and for a damaged archive
 */
export async function* textPieces(path: string, gzip: boolean): AsyncGenerator<string, void, void> {
  // With the mark that may begin a file left out.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let before: Uint8Array = new Uint8Array();
  let at = 0;
  for await (const bytes of bytesOf(path, gzip)) {
    let text: string;
    try {
      text = decoder.decode(bytes, { stream: true });
    } catch {
      throw notUtf8(path, Buffer.concat([before, bytes]), at - before.length);
    }
    before = bytes;
    at += bytes.length;
    yield text;
  }
  try {
    const rest = decoder.decode();
    if (rest !== "") yield rest;
  } catch {
    throw broken(path, "it ends in the middle of a character. Is the file whole? Download or copy it again.");
  }
}

async function* bytesOf(path: string, gzip: boolean): AsyncGenerator<Uint8Array, void, void> {
  const file = await openFile(path);
  const raw = file.createReadStream({ highWaterMark: PIECE });
  // What becomes of it shows where it is read.
  const source = gzip ? pipeline(raw, createGunzip({ chunkSize: PIECE }), () => undefined) : raw;
  try {
    for await (const bytes of source) yield bytes as Uint8Array;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw broken(path, gzip ? `its gzip is damaged or not whole (${why}). Download it again.` : why);
  } finally {
    raw.destroy();
  }
}

/** What bytes are that are no UTF-8: of whole lines, since what is cut in a character looks like any encoding. */
function notUtf8(path: string, bytes: Buffer, from: number): Error {
  const first = from <= 0 ? 0 : bytes.indexOf(10) + 1;
  const last = bytes.lastIndexOf(10);
  const lines = bytes.subarray(first, last > first ? last : bytes.length);
  const found = [decodedText(lines, from + first), decodedText(bytes.subarray(first), from + first)].find(
    (one) => typeof one !== "string",
  );
  return typeof found === "object"
    ? notData(path, found.got, found.remedy)
    : notData(path, "bytes that are no UTF-8", "Save it as UTF-8.");
}
