/** @file How onnxruntime writes the packed forms of weights into a model file, beside where their bytes are. */
import type { ExternalEntry } from "../graph/encode.ts";
import type { Packed } from "../graph/value.ts";

/** onnxruntime's own entries: "key|offset;length;checksum|..." (the checksum is not used). */
const PREFIX = "prepacked_";

/** The entries for packed forms that lie in the weight's own file. */
export function prepackedEntries(packed: readonly Packed[]): ExternalEntry[] {
  return packed.map(({ key, parts }, i) => ({
    key: `${PREFIX}${i}`,
    value: [key, ...parts.map(({ offset, bytes }) => `${offset};${bytes};0`)].join("|"),
  }));
}

/** The packed forms that a weight's entries tell of; offsets as in the file that was written with the model. */
export function readPrepacked(entries: readonly ExternalEntry[]): Packed[] {
  return entries.filter(({ key }) => key.startsWith(PREFIX)).map(({ value }) => parsed(value));
}

function parsed(text: string): Packed {
  const [key = "", ...ranges] = text.split("|");
  const parts = ranges.map((range) => {
    const [offset, bytes] = range.split(";").map(Number);
    if (offset === undefined || bytes === undefined || !Number.isSafeInteger(offset + bytes)) {
      throw new Error(`onnxruntime describes packed weights in an unknown way: ${text}`);
    }
    return { offset, bytes };
  });
  return { key, parts };
}
