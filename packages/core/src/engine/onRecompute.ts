let watched: Set<() => void> | null = null;

/**
 * Registers a check for code that depends on mutable state and may run inside `checkpoint`. Before the backward pass
 * runs the code again, it calls `check`, which should throw if the state has changed. Outside a checkpoint, nothing is
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
