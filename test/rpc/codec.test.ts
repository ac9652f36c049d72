/** @file Messages survive the way through ZeroMQ frames, and large arrays are not copied on their way out. */
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/rpc/codec.ts";
import { compact } from "../../src/rpc/plain.ts";

/** As ZeroMQ hands frames over: Buffers at any place of some memory. */
function received(frames: Uint8Array[], offset = 0): Buffer[] {
  return frames.map((frame) => {
    const memory = Buffer.alloc(frame.length + offset);
    memory.set(frame, offset);
    return memory.subarray(offset);
  });
}

const arrays = {
  float64: Float64Array.of(1.5, Number.NaN, -0, Number.POSITIVE_INFINITY),
  float32: Float32Array.of(0.1, -1e-30),
  int32: Int32Array.of(-1, 2 ** 31 - 1),
  uint32: Uint32Array.of(2 ** 32 - 1),
  int16: Int16Array.of(-300),
  uint16: Uint16Array.of(0x3c00, 0xffff),
  int8: Int8Array.of(-128),
  uint8: Uint8Array.of(0, 255),
  int64: BigInt64Array.of(-(2n ** 63n), 1n),
  uint64: BigUint64Array.of(2n ** 64n - 1n),
};

describe("codec", () => {
  it("keeps plain data and typed arrays of every kind, wherever the frames lie in memory", () => {
    const message = {
      type: "result",
      id: 7,
      value: { text: "你好\u0000", list: [1, -2.5, null, true, 2 ** 53 - 1], arrays },
    };
    for (const offset of [0, 1, 3, 8]) expect(decode(received(encode(message), offset))).toEqual(message);
  });

  it("sends large arrays as frames of their own memory, small ones inline", () => {
    const memory = new Float32Array(5000).map((_, i) => i);
    const part = memory.subarray(1, 4001);
    const frames = encode({ part, again: part, small: Float32Array.of(1) });
    expect(frames).toHaveLength(3);
    expect(frames[1]?.buffer).toBe(memory.buffer);
    expect(frames[1]?.byteOffset).toBe(4);
    for (const offset of [0, 1, 4]) {
      expect(decode(received(frames, offset))).toEqual({
        part: part.slice(),
        again: part.slice(),
        small: Float32Array.of(1),
      });
    }
    const big = BigInt64Array.from({ length: 1000 }, (_, i) => BigInt(i) - 500n);
    expect(decode(received(encode(big), 2))).toEqual(big);
  });

  it("leaves out what is undefined, as a structured clone's reader would find it absent", () => {
    expect(decode(encode({ id: 1, value: undefined }))).toEqual({ id: 1 });
  });

  it("refuses what is not plain data rather than sending something else", () => {
    for (const odd of [new Map(), new Date(0), () => 1, Symbol("s"), new (class Thing {})()]) {
      expect(() => encode({ odd })).toThrow();
    }
    expect(() => compact({ odd: new Map() })).toThrow(/plain data.*Map/);
  });

  it("refuses damaged frames", () => {
    const [head, ...rest] = encode({ big: new Float32Array(2000) }) as [Uint8Array, Uint8Array];
    expect(() => decode([])).toThrow(/without frames/);
    expect(() => decode([head])).toThrow(/without its frame/);
    expect(() => decode([head, rest[0].subarray(1)])).toThrow(/whole Float32Array/);
    expect(() => decode([head.subarray(0, 3), ...rest])).toThrow();
    expect(() => decode([Uint8Array.of(0xc1)])).toThrow();
  });
});

describe("compact", () => {
  it("copies parts of larger buffers only", () => {
    const whole = new Float32Array(8).fill(2);
    const message = compact({ whole, part: whole.subarray(2, 4), buffer: Buffer.from("pooled"), ids: [[1, 2], [3]] });
    expect(message).toEqual({
      whole,
      part: Float32Array.of(2, 2),
      buffer: new Uint8Array(Buffer.from("pooled")),
      ids: [[1, 2], [3]],
    });
    const { whole: same, part, buffer } = message as { whole: Float32Array; part: Float32Array; buffer: Uint8Array };
    expect(same).toBe(whole);
    expect(part.buffer.byteLength).toBe(8);
    expect(buffer.buffer.byteLength).toBe(6);
  });
});
