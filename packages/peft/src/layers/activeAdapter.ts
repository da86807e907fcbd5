import { onRecompute, type Tensor } from "@lowrank/core";
import { AdapterIndices } from "./adapterIndices.ts";
import { type BatchRows, onRows, type Run } from "./rowGroups.ts";

/**
 * The name of the adapter that acts. All wrappers of a model share it, so that
 * switching is one assignment.
 */
export class ActiveAdapter {
  name: string | null = null;
  /** In its place, an adapter for each row of a batch. */
  rows: BatchRows | null = null;
  readonly slots: AdapterIndices = new AdapterIndices();

  /**
   * Returns a module's output. Calls `run` with the adapter that acts on the module. If rows
   * have adapters of their own, calls it with each, on that adapter's rows, or leaves the batch to
   * `runRows`.
   */
  apply(
    has: (name: string) => boolean,
    inputs: readonly unknown[],
    run: Run,
    runRows: (rows: BatchRows) => Tensor = (rows) => onRows(rows.groups(has), inputs, run),
  ): Tensor {
    const { name, rows } = this;
    onRecompute(() => {
      if (this.name === name && this.rows === rows) return;
      throw new Error(
        "gradient checkpointing computes again what other adapters gave: call backward before setAdapter, and inside of withAdapterNames",
      );
    });
    if (!rows) return run(name !== null && has(name) ? name : null, inputs);
    rows.check(inputs);
    return runRows(rows);
  }
}
