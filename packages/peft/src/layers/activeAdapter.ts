import { onRecompute, type Tensor } from "@lowrank/core";
import { groupRows, onRows, type RowGroups, type Run } from "./rowGroups.ts";

/** Which adapter acts; shared by all that a model carries, so that switching is one assignment. */
export class ActiveAdapter {
  name: string | null = null;
  /** In its place, one for each row of a batch; null for the base model. */
  rows: readonly (string | null)[] | null = null;

  /**
   * What a module gives for its inputs: `run` is called with the adapter that acts on it, or, where rows have theirs, with
   * each on its part of the batch. `shortCut` may answer for all rows at once.
   */
  apply(
    has: (name: string) => boolean,
    inputs: readonly unknown[],
    run: Run,
    shortCut?: (groups: RowGroups) => Tensor | null,
  ): Tensor {
    const { name, rows } = this;
    onRecompute(() => {
      if (this.name === name && this.rows === rows) return;
      throw new Error(
        "gradient checkpointing computes again what other adapters gave: call backward before setAdapter, and inside of withAdapterNames",
      );
    });
    if (!rows) return run(name !== null && has(name) ? name : null, inputs);
    const groups = groupRows(rows, has, inputs);
    return shortCut?.(groups) ?? onRows(groups, inputs, run);
  }
}
