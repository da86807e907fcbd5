/**
 * The tasks of a layer's adapter, and the checks of a batch's `taskIds`. Adapters with tasks create it, so that pages
 * without such adapters do not load the checks.
 */
export class Tasks {
  /** Number of tasks. */
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  /** Throws if a recomputed forward pass has other task ids than the first one. */
  checkSame(first: readonly number[] | null | undefined, last: readonly number[] | null | undefined): void {
    if (first === last || (first?.length === last?.length && first?.every((id, i) => id === last?.[i]))) return;
    throw new Error(
      "gradient checkpointing recomputes outputs with the taskIds of the last forward pass, and these have changed: call backward before the next forward pass",
    );
  }

  /**
   * Returns the task of each row. `limits` has the number of tasks of each row's adapter, 0 for an adapter without
   * tasks. Task 0 is the default if no adapter has another one, or if only shapes are computed (`dataless`). Throws if
   * a batch for adapters of several tasks lacks task ids, if their number is not the number of rows, or if an id is out
   * of range.
   */
  ids(taskIds: readonly number[] | null | undefined, limits: readonly number[], dataless = false): readonly number[] {
    if (!taskIds) {
      const tasks = limits.reduce((most, limit) => Math.max(most, limit), 0);
      if (tasks <= 1 || dataless) return limits.map(() => 0);
      throw new Error(
        `the adapter has ${tasks} tasks, and the batch has no taskIds; give the task of each row, from 0 to ${tasks - 1}`,
      );
    }
    if (taskIds.length !== limits.length) {
      throw new Error(`taskIds has ${taskIds.length} elements for ${limits.length} rows; give the task of each row`);
    }
    for (const [row, id] of taskIds.entries()) {
      const tasks = limits[row];
      if (tasks === 0 || (Number.isInteger(id) && id >= 0 && id < tasks)) continue;
      const known = tasks === 1 ? "0, the adapter's only task" : `a whole number from 0 to ${tasks - 1}`;
      throw new Error(`taskIds has ${id}; expected ${known}`);
    }
    return taskIds;
  }
}
