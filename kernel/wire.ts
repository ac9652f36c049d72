/** @file The Jupyter wire protocol: framing, headers and signatures of messages. Knows nothing of sockets. */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { userInfo } from "node:os";
import { wellFormedJson } from "./text.ts";

/** The version of the messaging protocol that this kernel speaks. */
export const PROTOCOL_VERSION = "5.5";

/** The part of a message that says which message it is. */
export interface Header {
  readonly msg_id: string;
  readonly session: string;
  readonly username: string;
  /** ISO 8601. */
  readonly date: string;
  readonly msg_type: string;
  readonly version: string;
}

/** A message from a front end; `identities` are the routing frames that its replies must carry. */
export interface Request {
  readonly identities: readonly Uint8Array[];
  readonly header: Header;
  readonly metadata: JsonObject;
  readonly content: JsonObject;
  readonly buffers: readonly Uint8Array[];
}

/** A message to a front end. The content is JSON text already: it is written where its objects live. */
export interface Outgoing {
  /** Routing frames, or the topic of a broadcast. */
  readonly identities: readonly (Uint8Array | string)[];
  readonly type: string;
  readonly parent?: Header | undefined;
  readonly content: string;
  readonly metadata?: string;
  readonly buffers?: readonly Uint8Array[];
}

export type JsonObject = { readonly [name: string]: unknown };

const DELIMITER = "<IDS|MSG>";
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What is wrong with a message that came in; such messages are dropped. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Signs a message's four JSON frames; the empty key of a connection file means that nothing is signed. */
export type Sign = (frames: readonly Uint8Array[]) => string;

/**
 * @param scheme as in a connection file: "hmac-" and the name of a hash
 * @throws Error when this build of Node does not know the hash
 */
export function signer(key: string, scheme = "hmac-sha256"): Sign {
  if (key === "") return () => "";
  const hash = /^hmac-(\w+)$/.exec(scheme)?.[1];
  if (hash === undefined) {
    throw new Error(
      `The connection file's signature_scheme is ${JSON.stringify(scheme)}; expected "hmac-" and a hash, as in "hmac-sha256".`,
    );
  }
  createHmac(hash, key);
  return (frames) => {
    const hmac = createHmac(hash, key);
    for (const frame of frames) hmac.update(frame);
    return hmac.digest("hex");
  };
}

/** Writes the messages of one kernel process: each gets a header with an id of its own. */
export class Writer {
  readonly #sign: Sign;
  readonly #session: string = randomUUID();
  readonly #username: string = username();
  #sent = 0;

  constructor(sign: Sign) {
    this.#sign = sign;
  }

  /** The frames of a message, and the header it went out with. */
  frames(message: Outgoing): { frames: Uint8Array[]; header: Header } {
    const header: Header = {
      msg_id: `${this.#session}_${this.#sent++}`,
      session: this.#session,
      username: this.#username,
      date: new Date().toISOString(),
      msg_type: message.type,
      version: PROTOCOL_VERSION,
    };
    const signed = [
      JSON.stringify(header),
      JSON.stringify(message.parent ?? {}),
      message.metadata ?? "{}",
      message.content,
    ].map((json) => encoder.encode(wellFormedJson(json)));
    const frames = [
      ...message.identities.map((frame) => (typeof frame === "string" ? encoder.encode(frame) : frame)),
      encoder.encode(DELIMITER),
      encoder.encode(this.#sign(signed)),
      ...signed,
      ...(message.buffers ?? []),
    ];
    return { frames, header };
  }
}

/**
 * Reads a message's frames.
 * @throws WireError when they are not a message, or not signed with our key
 */
export function readMessage(frames: readonly Uint8Array[], sign: Sign): Request {
  const delimiter = frames.findIndex((frame) => Buffer.from(frame).toString("latin1") === DELIMITER);
  if (delimiter < 0) throw new WireError(`A message of ${frames.length} frames has no ${DELIMITER} frame.`);
  const [signature, ...rest] = frames.slice(delimiter + 1);
  const signed = rest.slice(0, 4);
  const [header, , metadata, content] = signed;
  if (!signature || !header || !metadata || !content) {
    throw new WireError(`A message ends after ${signed.length} of its 4 JSON frames.`);
  }
  if (!sameText(Buffer.from(signature).toString("latin1"), sign(signed))) {
    throw new WireError("A message's signature does not fit the connection file's key.");
  }
  return {
    identities: frames.slice(0, delimiter).map((frame) => Uint8Array.from(frame)),
    header: readHeader(jsonObject(header, "header")),
    metadata: jsonObject(metadata, "metadata"),
    content: jsonObject(content, "content"),
    buffers: rest.slice(4).map((frame) => Uint8Array.from(frame)),
  };
}

function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function jsonObject(frame: Uint8Array, part: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(frame));
  } catch (cause) {
    throw new WireError(`A message's ${part} is not JSON in UTF-8.`, { cause });
  }
  if (isJsonObject(value)) return value;
  throw new WireError(`A message's ${part} is not a JSON object.`);
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keeps whatever else the header holds: replies must repeat it as it came. */
function readHeader(fields: JsonObject): Header {
  const { msg_id, session, msg_type } = fields;
  if (typeof msg_id !== "string" || typeof session !== "string" || typeof msg_type !== "string") {
    throw new WireError("A message's header has no msg_id, session or msg_type.");
  }
  const text = (name: string): string => (typeof fields[name] === "string" ? fields[name] : "");
  return {
    ...fields,
    msg_id,
    session,
    msg_type,
    username: text("username"),
    date: text("date"),
    version: text("version"),
  };
}

/** Some containers run under a user id without a name. */
function username(): string {
  try {
    return userInfo().username;
  } catch {
    return "kernel";
  }
}
