import { expectSynchronous } from "./synchronous.ts";

let enabled = true;

/** True while ops record themselves for `backward`. */
export function isGradEnabled(): boolean {
  return enabled;
}

function withMode<T>(name: string, mode: boolean, fn: () => T): T {
  const before = enabled;
  enabled = mode;
  try {
    return expectSynchronous(name, fn());
  } finally {
    enabled = before;
  }
}

/** Runs `fn` without recording gradients. `fn` must be synchronous; a promise is an error. */
export function noGrad<T>(fn: () => T): T {
  return withMode("noGrad", false, fn);
}

/**
 * Runs `fn` with gradients recorded, inside a `noGrad` too. `fn` must be
 * synchronous; a promise is an error.
 */
export function enableGrad<T>(fn: () => T): T {
  return withMode("enableGrad", true, fn);
}
