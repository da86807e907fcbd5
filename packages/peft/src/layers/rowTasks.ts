import { type Tensor, tensor } from "@lowrank/core";
import { onRecompute } from "@lowrank/core/internal";
import { currentBatch } from "@lowrank/nn/internal";
import type { ActiveAdapter } from "./activeAdapter.ts";
import type { Tasks } from "./tasks.ts";

/**
 * Returns the task of each row of a layer's input x [B, ...], i32 [B, 1]; null if no active adapter of the layer
 * depends on tasks. `tasksOf(name)` are the tasks of an adapter on this layer. Throws if the batch lacks task
 * ids, or wrong ones.
 */
export function rowTasks(
  x: Tensor,
  { names: [name], rows }: Pick<ActiveAdapter, "names" | "rows">,
  tasksOf: (name: string) => Tasks | undefined,
): Tensor | null {
  const names = rows?.adapters ?? (name === undefined ? [] : [name]);
  const tasks = names.map(tasksOf).find((own) => own);
  if (!tasks) return null;
  const { taskIds } = currentBatch();
  onRecompute(() => tasks.checkSame(taskIds, currentBatch().taskIds));
  const [size] = x.shape;
  const { backend } = x.storage;
  const limits = Array.from({ length: size }, (_, row) => tasksOf((rows ? rows.names[row] : name) ?? "")?.count ?? 0);
  const ids = tasks.ids(taskIds, limits, backend.dataless);
  return tensor(Int32Array.from(ids), { shape: [size, 1], backend });
}
