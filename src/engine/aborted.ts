/*
 * The engine is how anything here reconciles. Informers keep a copy of key ranges and put the keys of what changed into
 * work queues; controllers take one key at a time, look at the copies, and make true what should be, again until it is.
 * A manager starts and stops these in order; an election says which process may write, and its fence makes sure of it.
 */

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
