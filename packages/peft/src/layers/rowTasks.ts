import { type Tensor, tensor } from "@lowrank/core";
import { onRecompute } from "@lowrank/core/internal";
import { currentBatch } from "@lowrank/nn/internal";
import type { ActiveAdapter } from "./activeAdapter.ts";

/**
 * Returns the task of each row of a layer's input x [B, ...], i32 [B, 1]; null if no active adapter of the layer
 * depends on tasks. `tasksOf(name)` is the number of tasks of an adapter on this layer. Throws if the batch lacks task
 * ids, or wrong ones.
 */
export function rowTasks(
  x: Tensor,
  { names: [name], rows }: Pick<ActiveAdapter, "names" | "rows">,
  tasksOf: (name: string) => number | undefined,
): Tensor | null {
  const names = rows?.adapters ?? (name === undefined ? [] : [name]);
  if (!names.some(tasksOf)) return null;
  const { taskIds } = currentBatch();
  onRecompute(() => {
    const last = currentBatch().taskIds;
    if (taskIds === last || (taskIds?.length === last?.length && taskIds?.every((id, i) => id === last?.[i]))) return;
    throw new Error(
      "gradient checkpointing recomputes outputs with the taskIds of the last forward pass, and these have changed: call backward before the next forward pass",
    );
  });
  const [size] = x.shape;
  const { backend } = x.storage;
  const limits = Array.from({ length: size }, (_, row) => tasksOf((rows ? rows.names[row] : name) ?? "") ?? 0);
  const ids = checkedTaskIds(taskIds, limits, backend.dataless);
  return tensor(Int32Array.from(ids), { shape: [size, 1], backend });
}

/**
 * Returns the task of each row. `limits` has the number of tasks of each row's adapter, 0 for an adapter without tasks.
 * Task 0 is the default if no adapter has another one, or if only shapes are computed (`dataless`). Throws if a batch
 * for adapters of several tasks lacks task ids, if their number is not the number of rows, or if an id is out of
 * range.
 */
export function checkedTaskIds(
  taskIds: readonly number[] | null | undefined,
  limits: readonly number[],
  dataless = false,
): readonly number[] {
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
