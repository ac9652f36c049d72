/** @file Steps that an adapter has taken when its training was cut short: asked for, since not all need have been told. */
import { ambient, withAmbient } from "../../src/ambient.ts";
import type { AdapterHandle } from "../../src/index.ts";

/**
 * @param patience milliseconds that the answer may take
 * @returns undefined when it does not come
 */
export async function stepsTaken(adapter: AdapterHandle, patience: number): Promise<number | undefined> {
  // A question of a cell that was interrupted would be given up at once.
  const { signal: _, ...around } = ambient();
  const asked = withAmbient(around, () => adapter.info({ signal: AbortSignal.timeout(patience) }));
  return asked.then(
    ({ steps }) => steps,
    () => undefined,
  );
}
