import { expectSynchronous } from "./synchronous.ts";

let enabled = true;
let inGradient = false;

/** True while ops record themselves for `backward`. */
export function isGradEnabled(): boolean {
  return enabled;
}

/** True while a backward pass computes gradients, but not while it computes something again. */
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

/** Runs `fn` without recording gradients. `fn` must be synchronous; a promise is an error. */
export function noGrad<T>(fn: () => T): T {
  return withMode("noGrad", false, inGradient, fn);
}

/**
 * Runs `fn` with gradients recorded, inside a `noGrad` too. `fn` must be
 * synchronous; a promise is an error.
 */
export function enableGrad<T>(fn: () => T): T {
  return withMode("enableGrad", true, false, fn);
}

/** Runs `fn`, a part of a backward pass that is not recorded. */
export function computeGradients(fn: () => void): void {
  withMode("backward", false, true, fn);
}
