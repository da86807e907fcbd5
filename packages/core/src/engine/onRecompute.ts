let watched: Set<() => void> | null = null;

/**
 * Registers a check for code that reads its own mutable state and may run in a `checkpoint`. The backward pass calls
 * `check` before it computes the code again; `check` throws if the state has changed. Without a checkpoint the call
 * does nothing.
 */
export function onRecompute(check: () => void): void {
  watched?.add(check);
}

/** Runs `fn` (synchronously). Returns its result and the checks that it registered. */
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
