/** @file Tensors of a device that belong to something that is yet to be made. */
import type { DeviceTensor } from "./program.ts";

/**
 * Makes something of several tensors, or of none: when it fails half way, those that it has called its own are given back.
 * @param make calls every tensor its own as soon as it has it
 */
export async function owning<T>(make: (own: <D extends DeviceTensor>(tensor: D) => D) => Promise<T>): Promise<T> {
  const owned: DeviceTensor[] = [];
  try {
    return await make((tensor) => {
      owned.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of owned) tensor.dispose();
    throw error;
  }
}
