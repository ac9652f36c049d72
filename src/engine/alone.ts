/** @file Training has its adapter for itself, and leaves it on the disk. */
import type { AdapterInstance } from "./adapter-instance.ts";

/** A run that has the adapter for itself, and after which what it did is on the disk. */
export async function* alone<E>(
  adapter: AdapterInstance,
  signal: AbortSignal | undefined,
  run: () => AsyncGenerator<E, void, void>,
): AsyncGenerator<E, void, void> {
  const end = await adapter.access.beginTraining(signal);
  let failed = false;
  try {
    yield* run();
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    // First: what is written is a copy, and whoever comes next need not wait for the disk.
    end();
    // Why training failed matters more than that its end could not be written either.
    await adapter.settle().catch((error: unknown) => {
      if (!failed) throw error;
    });
  }
}
