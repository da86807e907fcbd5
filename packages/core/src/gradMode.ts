let enabled = true;

/** True while ops record themselves for `backward`. */
export function isGradEnabled(): boolean {
  return enabled;
}

function withMode<T>(mode: boolean, fn: () => T): T {
  const before = enabled;
  enabled = mode;
  try {
    return fn();
  } finally {
    enabled = before;
  }
}

/** Runs `fn` (synchronously) without recording gradients. */
export function noGrad<T>(fn: () => T): T {
  return withMode(false, fn);
}

/** Runs `fn` (synchronously) with gradients recorded, inside a `noGrad` too. */
export function enableGrad<T>(fn: () => T): T {
  return withMode(true, fn);
}
