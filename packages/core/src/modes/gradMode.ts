import { expectSynchronous } from "./synchronous.ts";

let enabled = true;
let inGradient = false;

/** True while ops are recorded for `backward`. */
export function isGradEnabled(): boolean {
  return enabled;
}

/** True while a backward pass computes gradients, but false while it recomputes forward values. */
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
 * Runs `fn` with gradients recorded, also inside `noGrad`. `fn` must be synchronous; throws if it returns a promise.
 */
export function enableGrad<T>(fn: () => T): T {
  return withMode("enableGrad", true, false, fn);
}

/** Runs `fn` as an unrecorded part of a backward pass. */
export function computeGradients(fn: () => void): void {
  withMode("backward", false, true, fn);
}
