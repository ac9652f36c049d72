/** @file What files of weights are, where they are not what they should be. */

import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";

/** The error for a file that cannot be what it should be. */
export function damaged(file: string, expected: string, faults: readonly string[]): GlmError {
  return new GlmError(
    "model-invalid",
    `${file} is damaged or not ${expected}; fetch or save it again:${faultLines(faults)}`,
  );
}

/** What a file that is no weights file seems to be, by its first bytes; undefined when it could be anything. */
export function startFault(start: Uint8Array): string | undefined {
  const text = Buffer.from(start).toString("latin1");
  if (text === "") return "it is empty";
  if (text.startsWith("version https://git-lfs")) {
    return "it is a Git LFS pointer, not the file that it stands for: run git lfs pull in its folder";
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    return "it is a web page, perhaps the hub's answer to a failed download";
  if (text.startsWith("PK\x03\x04")) return "it is a zip archive, as PyTorch writes: name it .bin";
  return undefined;
}
