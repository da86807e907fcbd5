let enabled = true;
let inGradient = false;

/** Returns true while ops are recorded for `backward`. */
export function isGradEnabled(): boolean {
  return enabled;
}

/** Returns true while a backward pass computes gradients. While it recomputes forward values, the result is false. */
export function isInGradient(): boolean {
  return inGradient;
}

function withMode<T>(name: string, mode: boolean, gradient: boolean, fn: () => T): T {
  const before = [enabled, inGradient];
  [enabled, inGradient] = [mode, gradient];
  try {
    return expectSynchronous(name, fn());
  } finally {
    [enabled, inGradient] = before;
  }
}

/** Runs `fn` without recording gradients. `fn` must be synchronous; throws if it returns a promise. */
export function noGrad<T>(fn: () => T): T {
  return withMode("noGrad", false, inGradient, fn);
}

/**
 * Runs `fn` with recording for gradients switched on, even inside `noGrad`. `fn` must be synchronous; throws if it
 * returns a promise.
 */
export function enableGrad<T>(fn: () => T): T {
  return withMode("enableGrad", true, false, fn);
}

/** Runs `fn` as a part of a backward pass, without recording its ops. */
export function computeGradients(fn: () => void): void {
  withMode("backward", false, true, fn);
}

/**
 * Returns `result`, which a synchronous function has returned. Throws if it is a promise; `name` is the caller's name.
 */
export function expectSynchronous<T>(name: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  // Without this handler, a rejection of the promise would also be reported as unhandled.
  result.catch(() => {});
  throw new Error(
    `${name}: the function returned a promise; it must be synchronous. Await outside of ${name}, and give it a synchronous function`,
  );
}
