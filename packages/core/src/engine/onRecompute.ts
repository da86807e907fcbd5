let watched: Set<() => void> | null = null;

/**
 * Registers a check for code that reads a state of its own and may run in a `checkpoint`. `check`
 * is called before the backward pass computes the code again; it throws if the state has changed.
 * Without a checkpoint it does nothing.
 */
export function onRecompute(check: () => void): void {
  watched?.add(check);
}

/** Runs `fn` (synchronously), and tells the checks that it asked for. */
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
