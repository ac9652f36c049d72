/** @file safetensors files whose header was changed as JSON, or whose header length lies. */
import type { RandomStream } from "../../src/random.ts";
import { once, pick } from "./choice.ts";
import { type ByteMutator, writeOdd } from "./mutate-bytes.ts";
import { mutatedJson } from "./mutate-json.ts";

export const safetensorsMutators: Readonly<Record<string, ByteMutator>> = {
  "header JSON": (original, random) => rebuilt(original, (text) => mutatedJson(text, random), random),
  "swapped ranges": (original, random) => rebuilt(original, (text) => swappedRanges(text, random), random),
  "header length": (original, random) => {
    const bytes = Buffer.from(original);
    writeOdd(bytes, 0, 8, random);
    return bytes;
  },
  "header of another kind": (original, random) =>
    rebuilt(
      original,
      () => pick(random, ["", "[]", "null", "0", '"x"', "{", "{}", '{"a":1}', "[".repeat(200_000)]),
      random,
    ),
};

/** The file with another header; sometimes padded to the old length, so that the numbers stay where they were. */
function rebuilt(original: Buffer, change: (text: string) => string, random: RandomStream): Buffer {
  const length = Number(original.readBigUInt64LE(0));
  const text = change(original.toString("utf8", 8, 8 + length));
  const header = Buffer.from(once(random, 2) ? text.padEnd(length) : text);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([prefix, header, original.subarray(8 + length)]);
}

/** Two tensors that have each other's numbers, or one another's type. */
function swappedRanges(text: string, random: RandomStream): string {
  const json = JSON.parse(text) as Record<string, Record<string, unknown>>;
  const names = Object.keys(json).filter((name) => name !== "__metadata__");
  const [a, b] = [json[pick(random, names)], json[pick(random, names)]];
  const field = pick(random, ["data_offsets", "shape", "dtype"]);
  if (a && b) [a[field], b[field]] = [b[field], a[field]];
  return JSON.stringify(json);
}
