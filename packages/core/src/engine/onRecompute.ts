/** The checks of the innermost `checkpoint` that runs, or null if none runs. */
export const recomputeChecks: { current: Set<() => void> | null } = { current: null };

/**
 * Registers a check, which is called before the backward pass of a `checkpoint` runs code again. Call this from code
 * that depends on mutable state; `check` should throw if the state has changed. Outside a checkpoint, nothing is
 * registered.
 */
export function onRecompute(check: () => void): void {
  recomputeChecks.current?.add(check);
}
