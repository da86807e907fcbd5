let watched: Set<() => void> | null = null;

/**
 * Registers a check, which is called before the backward pass of a `checkpoint` runs code again. Call this from code
 * that depends on mutable state; `check` should throw if the state has changed. Outside a checkpoint, nothing is
 * registered.
 */
export function onRecompute(check: () => void): void {
  watched?.add(check);
}

/** Runs `fn` (synchronously). Returns its result and the checks that were registered in it. */
export function collectRecomputeChecks<T>(fn: () => T): { result: T; checks: ReadonlySet<() => void> } {
  const outer = watched;
  const checks = new Set<() => void>();
  watched = checks;
  try {
    return { result: fn(), checks };
  } finally {
    watched = outer;
    for (const check of checks) outer?.add(check);
  }
}
