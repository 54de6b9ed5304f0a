/** Waits; ends early when the signal is aborted. */
export function sleep(ms, signal) {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}

/** Ends when the tab is visible or the signal is aborted. */
function visible(signal) {
  if (!document.hidden || signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', check);
      signal.removeEventListener('abort', check);
      resolve();
    };
    document.addEventListener('visibilitychange', check);
    signal.addEventListener('abort', check);
  });
}

/**
 * Calls an asynchronous function until the signal is aborted, with a pause after each call; not while the tab is
 * hidden.
 * @param {(signal: AbortSignal) => Promise<void>} action
 * @param {(error: ?Error) => void} report result of each call; null is success
 */
export async function poll(intervalMs, signal, action, report) {
  while (!signal.aborted) {
    await visible(signal);
    if (signal.aborted) return;
    try {
      await action(signal);
      if (!signal.aborted) report(null);
    } catch (error) {
      if (!signal.aborted) report(error);
    }
    await sleep(intervalMs, signal);
  }
}
