import { describe, expect, it } from "vitest";
import { type GgufTensor, type GgufType, ggufFile } from "../../bench/models/gguf.ts";
import { encodeLlama } from "../../bench/models/llama-blocks.ts";

const values = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i * 1.7) * (1 + i / 64));

async function bytesOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Uint8Array.from(Buffer.concat(parts));
}

describe("GGUF", () => {
  it("has the magic, the counts, the metadata and tensors at aligned offsets", async () => {
    const tensor = (name: string, length: number): GgufTensor => ({
      name,
      type: "F32",
      shape: [1, length],
      content: () => [encodeLlama("F32", values.subarray(0, length))],
    });
    const metadata = { "general.architecture": { text: "chatglm" }, n: { u32: 7 }, words: { texts: ["a", "日"] } };
    const file = ggufFile("m.gguf", metadata, [tensor("one", 3), tensor("two", 256)]);
    const bytes = await bytesOf(file.content);
    expect(bytes).toHaveLength(file.bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("GGUF");
    expect([view.getUint32(4, true), view.getBigUint64(8, true), view.getBigUint64(16, true)]).toEqual([3, 2n, 3n]);
    // Key, type code of text, text.
    expect(view.getBigUint64(24, true)).toBe(20n);
    expect(new TextDecoder().decode(bytes.subarray(32, 52))).toBe("general.architecture");
    expect(view.getUint32(52, true)).toBe(8);
    // The first tensor takes 12 bytes; the second follows at the next multiple of 32, and ends the file.
    const start = bytes.length - 1024;
    expect(start % 32).toBe(0);
    expect(new Float32Array(bytes.slice(start).buffer)).toEqual(values);
    expect(new Float32Array(bytes.slice(start - 32, start - 20).buffer)).toEqual(values.subarray(0, 3));
  });

  it("refuses rows that blocks do not fill", () => {
    const tensor: GgufTensor = { name: "odd", type: "Q8_0", shape: [4, 48], content: () => [] };
    expect(() => ggufFile("m.gguf", {}, [tensor])).toThrow("odd: Q8_0 takes rows of a multiple of 32, got 48");
  });

  it.each<[GgufType, number, number]>([
    ["Q4_0", 18, 1 / 16],
    ["Q8_0", 34, 1 / 254],
  ])("%s blocks hold the values to half a step", (type, size, step) => {
    const bytes = encodeLlama(type, values);
    expect(bytes).toHaveLength((values.length / 32) * size);
    const view = new DataView(bytes.buffer);
    for (let block = 0; block < values.length / 32; block += 1) {
      const scale = half(view.getUint16(block * size, true));
      const codes = bytes.subarray(block * size + 2, (block + 1) * size);
      const original = values.subarray(block * 32, (block + 1) * 32);
      const peak = Math.max(...original.map(Math.abs));
      original.forEach((value, i) => {
        const nibble = ((codes[i % 16] as number) >> (i < 16 ? 0 : 4)) & 15;
        const code = type === "Q8_0" ? ((codes[i] as number) << 24) >> 24 : nibble - 8;
        // Q4_0 has no code for the peak's negative, which may be a whole step away; the rounded scale adds a little.
        const bound = type === "Q4_0" && Math.abs(value) > peak * 0.9 ? 2 : 1.15;
        expect(Math.abs(code * scale - value)).toBeLessThanOrEqual(bound * step * peak + 1e-6);
      });
    }
  });

  it("Q6_K superblocks hold the values to a step of their part's scale", () => {
    const bytes = encodeLlama("Q6_K", values);
    expect(bytes).toHaveLength(210);
    const unit = half(new DataView(bytes.buffer).getUint16(208, true));
    const scales = new Int8Array(bytes.buffer, 192, 16);
    for (const [i, value] of values.entries()) {
      // Runs of 32 within a half: 0 and 1 have the low bits of a byte, 2 and 3 the high ones.
      const [side, run, at] = [i >> 7, (i >> 5) & 3, i & 31];
      const low = ((bytes[side * 64 + (run & 1) * 32 + at] as number) >> (4 * (run >> 1))) & 15;
      const high = ((bytes[128 + side * 32 + at] as number) >> (2 * run)) & 3;
      const scale = unit * (scales[i >> 4] as number);
      // The largest of a part is the lowest code; its opposite is a step away at most, and scales are rounded.
      expect(Math.abs((low + 16 * high - 32) * scale - value)).toBeLessThanOrEqual(1.3 * Math.abs(scale));
    }
  });
});

/** A normal binary16 number. */
function half(bits: number): number {
  return (bits & 0x8000 ? -1 : 1) * (1 + (bits & 0x3ff) / 1024) * 2 ** (((bits >> 10) & 31) - 15);
}
