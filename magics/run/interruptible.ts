/** @file Work that says what it leaves when its cell is interrupted, before the cell is over. */
import { AsyncResource } from "node:async_hooks";
import { ambient } from "../../src/ambient.ts";
import { isInterrupt } from "../interrupt.ts";

/** Milliseconds that interrupted work has to end, so that its last news count: less than the kernel waits for the cell. */
export const GRACE = 120;

/**
 * Does the work.
 * @param interrupted called once when the cell is interrupted: when the work has ended, or soon, whatever it still waits for
 * @param waiting of work that ends in order, which takes its time: called at once, and `interrupted` when it has ended
 */
export async function interruptible<T>(
  work: () => Promise<T>,
  interrupted: () => void,
  waiting?: () => void,
): Promise<T> {
  const { signal } = ambient();
  let timer: NodeJS.Timeout | undefined;
  let isSaid = false;
  const say = (): void => {
    if (!isSaid) interrupted();
    isSaid = true;
  };
  // Whoever interrupts stands in no cell: what is said must go to this one all the same.
  const wait = AsyncResource.bind((): void => {
    if (waiting) waiting();
    else timer = setTimeout(say, GRACE);
  });
  signal?.addEventListener("abort", wait, { once: true });
  try {
    return await work();
  } catch (error) {
    if (isInterrupt(error)) say();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", wait);
  }
}
