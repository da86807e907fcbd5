let current: readonly number[] | null = null;

/**
 * Sets the task of each row of the batch that runs next. Models call it at the beginning of every forward pass, which
 * is synchronous. Null: the batch is without task ids.
 */
export function setBatchTasks(taskIds: readonly number[] | null): void {
  current = taskIds;
}

/** Returns the task of each row of the batch that runs now, for layers that depend on it; null if there are none. */
export function batchTasks(): readonly number[] | null {
  return current;
}
