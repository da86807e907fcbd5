import type { Tensor } from "@lowrank/core";
import { onRecompute } from "@lowrank/core/internal";
import type { AdapterStack } from "./adapterStack.ts";
import { type BatchRows, onRows, type Run } from "./rowGroups.ts";
import type { Wrapper } from "./wrapper.ts";

/** Assigns each adapter of a model a small integer, the same in all layers. Released integers are reused. */
export class AdapterIndices {
  readonly #slots = new Map<string, number>();
  /** Released indices, available for new adapters. */
  readonly #free: number[] = [];

  /** The number of adapters with an index. */
  get count(): number {
    return this.#slots.size;
  }

  /** Returns an adapter's index. If the adapter has none yet, assigns a free index to it. */
  of(name: string): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  /** Releases an adapter's index for reuse. */
  release(name: string): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    this.#slots.delete(name);
    this.#free.push(slot);
  }
}

/**
 * Holds the names of the active adapters. All wrappers of a model share this object, so that one assignment switches
 * every layer.
 */
export class ActiveAdapter {
  /** The active adapters. At most one, unless `stack` is set. */
  names: readonly string[] = [];
  /** The adapter of each row of a batch, instead of `names`. Null outside of `withAdapterNames`. */
  rows: BatchRows | null = null;
  /** Combines the active adapters of a module in a `PeftMixedModel`. Null in other models. */
  stack: AdapterStack | null = null;
  readonly slots: AdapterIndices = new AdapterIndices();

  /**
   * Runs a wrapper with the active adapter and returns the output. Calls `run` with the active adapter's name, or with
   * null if the adapter does not change the module. If rows of the batch use different adapters, calls `runRows` once
   * with the whole batch. By default, `runRows` calls `run` once for each adapter with its rows.
   */
  apply(
    wrapper: Wrapper,
    inputs: readonly unknown[],
    run: Run,
    runRows: (rows: BatchRows) => Tensor = (rows) =>
      onRows(
        rows.groups((name) => wrapper.has(name)),
        inputs,
        run,
      ),
  ): Tensor {
    const { names, rows, stack } = this;
    onRecompute(() => {
      if (`${this.names}` === `${names}` && this.rows === rows) return;
      throw new Error(
        "gradient checkpointing recomputes outputs with the active adapters, and these have changed since the forward pass: call backward before setAdapter, and inside of withAdapterNames",
      );
    });
    if (!rows) {
      if (stack) return stack.run(wrapper, names, inputs, run);
      return run(names.find((name) => wrapper.has(name)) ?? null, inputs);
    }
    rows.check(inputs);
    return runRows(rows);
  }
}
