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

/** Bytes after the head of each fixed-size value, by its first byte. */
const FIXED: Readonly<Record<number, number>> = {
  ...{ 192: 0, 194: 0, 195: 0, 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8 },
  ...{ 208: 1, 209: 2, 210: 4, 211: 8, 212: 2, 213: 3, 214: 5, 215: 9, 216: 17 },
};

/** Bytes of the length that follows the first byte, and what comes between it and the content. */
const SIZED: Readonly<Record<number, readonly [length: number, between: number]>> = {
  ...{ 196: [1, 0], 197: [2, 0], 198: [4, 0], 217: [1, 0], 218: [2, 0], 219: [4, 0] },
  // Extensions have their type there.
  ...{ 199: [1, 1], 200: [2, 1], 201: [4, 1] },
};

/**
 * Walks over a message without making anything of it.
 * @param head the message's first frame
 * @throws Error when it announces more than its bytes can hold, more than any message has, or is nested too deeply
 */
export function mustBeBounded(head: Uint8Array): void {
  if (head.length > MAX_BYTES) throw new Error(`it has ${head.length} bytes, expected at most ${MAX_BYTES}`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  /** Values that each open container still waits for. */
  const open: number[] = [];
  let at = 0;
  let values = 1;
  /** Values that all open containers wait for: each takes a byte at least. */
  let waiting = 1;
  const lengthAt = (bytes: number): number => {
    if (at + bytes > head.length) throw cut(head.length);
    return bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
  };
  while (waiting > 0) {
    if (at >= head.length) throw cut(head.length);
    const first = head[at++] as number;
    let inside = 0;
    if (first < 0x80 || first >= 0xe0) {
      // The value itself.
    } else if (first < 0x90) inside = 2 * (first & 0x0f);
    else if (first < 0xa0) inside = first & 0x0f;
    else if (first < 0xc0) at += first & 0x1f;
    else if (first >= 0xdc) {
      const bytes = first === 0xdc || first === 0xde ? 2 : 4;
      inside = lengthAt(bytes) * (first >= 0xde ? 2 : 1);
      at += bytes;
    } else {
      const sized = SIZED[first];
      const fixed = FIXED[first];
      if (sized) at += sized[0] + sized[1] + lengthAt(sized[0]);
      else if (fixed !== undefined) at += fixed;
      else throw new Error(`byte ${at - 1} is ${first}, which begins no value`);
    }
    waiting += inside - 1;
    values += inside;
    if (at + waiting > head.length) throw cut(head.length);
    if (values > MAX_VALUES) throw new Error(`it has more than ${MAX_VALUES} values`);
    if (inside > 0) {
      if (open.push(inside) > MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
      continue;
    }
    for (let top = open.length - 1; top >= 0 && --(open[top] as number) === 0; top -= 1) open.pop();
  }
}

const cut = (bytes: number): Error => new Error(`it announces more values than its ${bytes} bytes can hold`);
