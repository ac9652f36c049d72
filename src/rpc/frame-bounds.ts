/**
 * @file Bounds of a message before it is decoded: MessagePack announces sizes, and a decoder makes room for what is
 * announced. Two kilobytes of nested headers would so take gigabytes.
 */

/** Longest first frame in bytes: the texts of a large data set. Tensors travel in frames of their own. */
const MAX_BYTES = 2 ** 28;
/** Most values in a message, each of which takes some 60 bytes decoded: the rows of a large data set. */
const MAX_VALUES = 2 ** 23;
/** Deepest nesting; messages of this protocol have eight levels. */
const MAX_DEPTH = 32;

/** What a first byte can begin, beside values of a fixed size. */
const CONTAINER = 255;
const SIZED = 254;
const NOTHING = 253;

/** By first byte: how many bytes of its value follow, or which of the above it begins. */
const FOLLOWS = Uint8Array.from({ length: 256 }, (_, first) => {
  if (first < 0x80 || first >= 0xe0) return 0;
  if (first < 0xa0 || first >= 0xdc) return CONTAINER;
  if (first < 0xc0) return first & 0x1f;
  const fixed: Readonly<Record<number, number>> = {
    ...{ 192: 0, 194: 0, 195: 0, 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8 },
    ...{ 208: 1, 209: 2, 210: 4, 211: 8, 212: 2, 213: 3, 214: 5, 215: 9, 216: 17, 193: NOTHING },
  };
  return fixed[first] ?? SIZED;
});

/** Bytes of the length that follows a first byte, and of what comes between it and the content: an extension's type. */
const LENGTHS: Readonly<Record<number, readonly [length: number, between: number]>> = {
  ...{ 196: [1, 0], 197: [2, 0], 198: [4, 0], 217: [1, 0], 218: [2, 0], 219: [4, 0] },
  ...{ 199: [1, 1], 200: [2, 1], 201: [4, 1] },
};

/**
 * Walks over a message without making anything of it.
 * @param head the message's first frame
 * @throws Error when it announces more than its bytes can hold, more than any message has, or is nested too deeply
 */
export function mustBeBounded(head: Uint8Array): void {
  const bytes = head.length;
  if (bytes > MAX_BYTES) throw new Error(`it has ${bytes} bytes, expected at most ${MAX_BYTES}`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const lengthAt = (at: number, size: number): number => {
    if (at + size > bytes) throw cut(bytes);
    return size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at);
  };
  /** Values that the containers around the innermost one still wait for, each and together. */
  const outer: number[] = [];
  let waiting = 0;
  /** Those that the innermost one waits for. */
  let left = 1;
  let values = 1;
  let at = 0;
  for (;;) {
    while (left === 0) {
      const next = outer.pop();
      if (next === undefined) return;
      left = next;
      waiting -= next;
    }
    left -= 1;
    if (at >= bytes) throw cut(bytes);
    const first = head[at++] as number;
    const follows = FOLLOWS[first] as number;
    if (follows < NOTHING) at += follows;
    else if (follows === NOTHING) throw new Error(`byte ${at - 1} is ${first}, which begins no value`);
    else if (follows === SIZED) {
      const [size, between] = LENGTHS[first] as readonly [number, number];
      at += size + between + lengthAt(at, size);
    } else {
      const size = first < 0xa0 ? 0 : first === 0xdc || first === 0xde ? 2 : 4;
      const isObject = first < 0x90 || first >= 0xde;
      const inside = (size === 0 ? first & 0x0f : lengthAt(at, size)) * (isObject ? 2 : 1);
      at += size;
      values += inside;
      waiting += left;
      // Each value takes a byte at least.
      if (at + waiting + inside > bytes) throw cut(bytes);
      if (values > MAX_VALUES) throw new Error(`it has more than ${MAX_VALUES} values`);
      if (outer.push(left) > MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
      left = inside;
    }
    if (at > bytes) throw cut(bytes);
  }
}

const cut = (bytes: number): Error => new Error(`it announces more values than its ${bytes} bytes can hold`);
