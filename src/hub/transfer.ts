/** @file One file from a hub to the disk: what is there already is not fetched again, what broke off goes on. */
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { GlmError } from "../errors.ts";
import { onDisk } from "../files.ts";
import { type Client, fault, type Reply } from "./client.ts";
import type { RemoteFile } from "./hub.ts";
import { retried, TransientError } from "./retry.ts";
import { faultOf } from "./verify.ts";

export interface Transfer {
  readonly url: string;
  readonly file: RemoteFile;
  /** Where it grows. It stays there when the transfer stops early, for the next one. */
  readonly partial: string;
  /** Which answers of the hub are final. */
  readonly refusal: (reply: Reply) => GlmError | undefined;
  /** Told of bytes that have come; of fewer than none when some have to come again. */
  readonly onBytes: (count: number) => void;
}

/** A file whose content is not what the hub promised is fetched once more. */
const TRIES = 2;

/**
 * Fetches a file until it is whole and its checksum is right.
 * @throws TransientError when the network fails too often, GlmError "download-corrupt", "disk" and what `refusal` says
 */
export async function fetchFile(client: Client, transfer: Transfer, signal?: AbortSignal): Promise<void> {
  const { partial, file, onBytes } = transfer;
  let wrong: string | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    await fill(client, transfer, signal);
    wrong = await faultOf(partial, file, { signal });
    if (wrong === undefined) return;
    onBytes(-(await sizeOf(partial)));
    await rm(partial, { force: true });
  }
  throw new GlmError(
    "download-corrupt",
    `${file.path} from ${transfer.url}: ${wrong}, twice. It was not kept. Something on the way changes or cuts files: ` +
      "try another network or mirror (HF_ENDPOINT), or tell whoever keeps the mirror.",
  );
}

/** Fetches what is missing of a file, however often the connection breaks. */
async function fill(client: Client, transfer: Transfer, signal: AbortSignal | undefined): Promise<void> {
  let before = await sizeOf(transfer.partial);
  let now = before;
  const progressed = (): boolean => {
    const more = now > before;
    before = now;
    return more;
  };
  const count = (bytes: number): void => {
    now += bytes;
    transfer.onBytes(bytes);
  };
  await retried(client.policy, signal, () => receive(client, transfer, count, signal), progressed);
}

/** One connection's worth. */
async function receive(
  client: Client,
  { url, file, partial, refusal }: Transfer,
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let from = await sizeOf(partial);
  const startOver = async (): Promise<void> => {
    onBytes(-from);
    from = 0;
    // Removed rather than emptied: whoever else has it open keeps what they know.
    await rm(partial, { force: true });
  };
  if (file.bytes !== undefined && from > file.bytes) await startOver();
  if (file.bytes !== undefined && from === file.bytes && (await exists(partial))) return;
  const reply = await client.ask(url, { from, signal });
  if (reply.status === 416) {
    reply.drop();
    await startOver();
    throw new TransientError(`${url}: there is no more than what is here, and that is not all of it`);
  }
  const refused = refusal(reply) ?? fault(reply, url);
  if (refused) {
    reply.drop();
    throw refused;
  }
  // Whoever does not know ranges sends all of it again.
  if (from > 0 && startOf(reply) !== from) await startOver();
  if (startOf(reply) !== from) {
    reply.drop();
    throw new TransientError(`${url}: asked for bytes from ${from}, got ${reply.header("content-range")}`);
  }
  const bytes = file.bytes ?? 0;
  const handle = await onDisk(partial, bytes, () => open(partial, from > 0 ? "r+" : "w"));
  let at = from;
  try {
    for await (const part of reply.body()) {
      await onDisk(partial, bytes - at, () => writeAt(handle, part, at));
      at += part.length;
      onBytes(part.length);
      // More than there should be is found out by its size.
      if (file.bytes !== undefined && at > file.bytes) break;
    }
    await onDisk(partial, 0, () => handle.datasync());
  } finally {
    reply.drop();
    await handle.close();
  }
  if (file.bytes !== undefined && at < file.bytes) {
    throw new TransientError(`${url}: the connection ended after ${at} of ${file.bytes} bytes`);
  }
}

/** First byte of an answer's content. */
function startOf(reply: Reply): number {
  const range = reply.status === 206 ? /^bytes (\d+)-/.exec(reply.header("content-range") ?? "") : undefined;
  return Number(range?.[1] ?? 0);
}

async function writeAt(handle: FileHandle, part: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < part.length; ) {
    at += (await handle.write(part, at, part.length - at, position + at)).bytesWritten;
  }
}

/** Bytes that are there; 0 when there is no file. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
