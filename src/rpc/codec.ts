/**
 * @file Messages as ZeroMQ frames: MessagePack with typed arrays, the large ones in frames of their own.
 *
 * The first frame holds the message. A typed array in it is an extension: a small one inline, a large one as the number
 * of a later frame that is the array's own memory. So a tensor is not copied on its way out, and on its way in only
 * when its frame is not aligned. Anything that is not plain data is refused rather than sent as something else.
 */
import { Decoder, Encoder, ExtData, type ExtensionCodecType } from "@msgpack/msgpack";
import { mustBeBounded } from "./frame-bounds.ts";
import { isPlain, notPlain } from "./plain.ts";

/** The position of a kind in this list is its code on the wire: append only. */
const kinds = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
  BigInt64Array,
  BigUint64Array,
] as const;

type Kind = (typeof kinds)[number];
type Numbers = InstanceType<Kind>;

/** Extension types: [kind, bytes...] and [kind, frame number as uint32]. */
const INLINE = 1;
const FRAMED = 2;
/** Arrays of fewer bytes than this are cheaper to copy than to send as a frame. */
const FRAME_BYTES = 4096;
/** Messages of this engine with no more bytes than this need not be looked through before they are sent. */
const SMALL_BYTES = 2 ** 16;

/**
 * The frames of a message. Arrays are not copied: leave them unchanged until the frames are sent.
 * @throws TypeError when the message holds something that is not plain data, Error when it is larger than messages may be
 */
export function encode(message: unknown): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const encoder = new Encoder<Frames>({ extensionCodec: codec, context: frames, ignoreUndefined: true });
  const head = encoder.encode(message);
  // What the other side would not read is refused where it is sent; small messages always are within bounds.
  if (head.length > SMALL_BYTES) mustBeBounded(head);
  return [head, ...frames];
}

/**
 * The message of some frames. Large arrays in it are views of the frames' memory.
 * @throws Error when the frames are not a message
 */
export function decode(frames: readonly Uint8Array[]): unknown {
  const [head, ...rest]: (Uint8Array | undefined)[] = [...frames];
  if (head === undefined) throw new Error("a message without frames");
  mustBeBounded(head);
  return new Decoder<Frames>({ extensionCodec: codec, context: rest }).decode(head);
}

/** Those of large arrays; one that was read is gone, since every array has a frame of its own. */
type Frames = (Uint8Array | undefined)[];

const codec: ExtensionCodecType<Frames> = {
  tryToEncode(value, frames) {
    if (Array.isArray(value)) return null;
    const kind = kinds.findIndex((type) => value instanceof type);
    if (kind < 0) {
      if (typeof value === "object" && value !== null && isPlain(value)) return null;
      throw notPlain(value);
    }
    const numbers = value as Numbers;
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    if (bytes.length < FRAME_BYTES) return new ExtData(INLINE, Uint8Array.of(kind, ...bytes));
    frames.push(bytes);
    const reference = new DataView(new ArrayBuffer(5));
    reference.setUint8(0, kind);
    reference.setUint32(1, frames.length - 1);
    return new ExtData(FRAMED, new Uint8Array(reference.buffer));
  },

  decode(data, type, frames) {
    const kind = kinds[data[0] ?? kinds.length];
    if (kind === undefined) throw new Error(`an array of unknown kind ${data[0]}`);
    if (type === INLINE) return viewAs(kind, new Uint8Array(data.subarray(1)));
    const number = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(1);
    const frame = frames[number];
    if (type !== FRAMED || frame === undefined) throw new Error(`an array without its frame (extension ${type})`);
    frames[number] = undefined;
    return viewAs(kind, frame.byteOffset % kind.BYTES_PER_ELEMENT === 0 ? frame : new Uint8Array(frame));
  },
};

function viewAs(kind: Kind, bytes: Uint8Array): Numbers {
  const length = bytes.byteLength / kind.BYTES_PER_ELEMENT;
  if (!Number.isInteger(length)) throw new Error(`${bytes.byteLength} bytes are no whole ${kind.name}`);
  return new kind(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
}
