/** @file What a GPU's driver reports, as an error that says what to do. */
import { GlmError } from "../errors.ts";
import { shortened } from "../text-cut.ts";

const OUT_OF_MEMORY = /out of memory|OutOfMemory|failed to allocate/i;
const TOO_LARGE = /exceeds the max(imum)? buffer size/i;
const LOST = /device (was |is |has been )?lost|DeviceLost|device is destroyed/i;
const NO_ADAPTER = /Failed to get a WebGPU (adapter|device)|No supported adapters/i;
const LONGEST = 300;

/** Why there is no GPU where there is a driver. */
export const NOTHING_BEHIND = "a driver is there, but WebGPU finds no GPU behind it that it can use";

export function deviceFault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof GlmError) return error;
  const { message } = error;
  // Where in its source something was found is of no use to whoever reads this.
  const said = shortened(message.replace(/\s+/g, " ").replace(/^\/\S+:\d+ .* was false\. /, ""), LONGEST);
  if (OUT_OF_MEMORY.test(message)) {
    return new GlmError(
      "out-of-memory",
      `webgpu: the GPU's memory is full (${said}). Unload other models, load this one in fewer bits (quantize), or use device "cpu".`,
      { cause: error },
    );
  }
  if (TOO_LARGE.test(message)) {
    return new GlmError(
      "out-of-memory",
      `webgpu: a tensor is larger than this GPU takes in one piece (${said}). Ask in fewer or shorter rows at a time, or use device "cpu".`,
      { cause: error },
    );
  }
  if (LOST.test(message)) {
    return new GlmError(
      "device-lost",
      `webgpu: the GPU was lost: its driver was reset, or it was taken away (${said}). Load the model again, or use device "cpu".`,
      { cause: error },
    );
  }
  if (NO_ADAPTER.test(message)) {
    return new GlmError(
      "unsupported",
      `webgpu: no GPU can be used here: ${NOTHING_BEHIND} (${said}). %runtime devices tells what to do; or use device "cpu".`,
      { cause: error },
    );
  }
  return error;
}
