/** @file An adapter's tensors as its file has them: read once their names and shapes are known to fit. */
import { GlmError } from "../errors.ts";
import { toFloat32 } from "../float32.ts";
import type { FloatTensor } from "../tensor.ts";
import { finiteFault } from "../weights/finite.ts";
import { readTensor } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";

/** What is wrong with a file of weights is wrong with the adapter. */
export async function asAdapter<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof GlmError ? new GlmError("adapter-invalid", error.message, { cause: error }) : error;
  }
}

/**
 * Reads tensors by the names that they get. Only what is known to fit: other tensors may be of any size.
 * @returns also what is wrong with their numbers, by name
 * @throws GlmError "adapter-invalid" when the file cannot be read
 */
export async function readStored(
  wanted: Iterable<readonly [name: string, stored: StoredTensor]>,
): Promise<{ readonly tensors: Record<string, FloatTensor>; readonly faults: readonly string[] }> {
  const tensors: Record<string, FloatTensor> = {};
  const faults: string[] = [];
  for (const [name, stored] of wanted) {
    const value = await asAdapter(() => readTensor(stored));
    const fault = finiteFault(value);
    if (fault === undefined) tensors[name] = toFloat32(value);
    else faults.push(`${name}: ${fault}`);
  }
  return { tensors, faults };
}
