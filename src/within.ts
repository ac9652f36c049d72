/** @file Waiting for something, but not for ever. */

/**
 * Waits for work, but no longer than so many milliseconds; no timer is left.
 * @param late what comes of it when that is over: a value in place of the work's, or an error that it throws. The work
 *   itself goes on, and what it comes to is nobody's any more.
 */
export async function within<T>(patience: number, work: Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience);
  });
  try {
    return await Promise.race([work, over.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
