import type { Tensor } from "@lowrank/core";
import { onRecompute } from "@lowrank/core/internal";
import { AdapterIndices } from "./adapterIndices.ts";
import { type BatchRows, onRows, type Run } from "./rowGroups.ts";

/**
 * Holds the name of the active adapter. All wrappers of a model share this object, so that one assignment switches
 * every layer.
 */
export class ActiveAdapter {
  name: string | null = null;
  /** The adapter of each row of a batch, instead of the single `name`. Null outside of `withAdapterNames`. */
  rows: BatchRows | null = null;
  readonly slots: AdapterIndices = new AdapterIndices();

  /**
   * Returns a module's output with the active adapter, computed by `run`. An adapter for which `has` is false does not
   * change the module. If rows of the batch use different adapters, calls `run` once for each adapter with its rows, or
   * `runRows`, if given, once with the whole batch.
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
        "gradient checkpointing cannot recompute outputs of other adapters than the active ones: call backward before setAdapter, and inside of withAdapterNames",
      );
    });
    if (!rows) return run(name !== null && has(name) ? name : null, inputs);
    rows.check(inputs);
    return runRows(rows);
  }
}
