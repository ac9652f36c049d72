/** @file Runs once before all tests: what they start (kernels, runtimes) is the built package. */
import { ensureBuilt } from "../scripts/build.ts";

export default async function setup(): Promise<void> {
  await ensureBuilt();
}
