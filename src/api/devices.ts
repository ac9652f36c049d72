/** @file What there is to compute on. */
import type { DeviceReport } from "../backend/devices.ts";

/**
 * The devices of this machine. A GPU is tried, which takes a second the first time: one that cannot be used has an `obstacle`
 * that says why, and what to do.
 */
export async function devices(): Promise<readonly DeviceReport[]> {
  const { examinedDevices } = await import("../backend/machine.ts");
  return examinedDevices();
}
