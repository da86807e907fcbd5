import type { Generator, Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { MergeStep, Replacement } from "../layers/mergeStep.ts";
import { runBetween } from "../model/evaluating.ts";
import { MergedValue } from "./mergedValue.ts";
import { probeOf } from "./probe.ts";
import { unrounded } from "./unrounded.ts";

/** A merged value in f32, and the same value in the dtype in which the model will store it. */
export interface StoredValue {
  replacement: Replacement;
  stored: Tensor;
}

/** A layer's outputs on a few random inputs, before and after merging. */
export interface LayerAnswers {
  /** Number of products summed for each output element. */
  terms: number;
  /** The outputs without adapters. */
  base: Tensor;
  /** For each adapter, the outputs with this adapter unmerged. */
  beside: readonly Tensor[];
  /** For each adapter, the outputs with only this adapter merged, in f32. */
  alone: readonly Tensor[];
  /** The outputs with all adapters merged, in f32. */
  sum: Tensor;
  /** The outputs with all adapters merged, in the dtypes in which the model will store the weights. */
  stored: Tensor;
}

/**
 * Runs a layer on random inputs before and after temporarily merging the values from `values()`. Returns these values
 * as `stored`, and the outputs as `answers`, or null if no inputs can be generated for this kind of module. Call it in
 * a scope.
 */
export function layerAnswers(
  { module, live, rows }: MergeStep,
  generator: Generator,
  values: () => readonly StoredValue[],
): { stored: readonly StoredValue[]; answers: LayerAnswers | null } {
  const probe = probeOf(module, generator, rows);
  if (!probe) return { stored: values(), answers: null };
  const { x, terms } = probe;
  const run = () => (module as UnaryModule).forward(x);
  // Runs in f32, since rounding of inputs and products is not an error of the merge.
  return unrounded(module, () => {
    const base = run();
    // Before merging, since the forward pass of some methods (constrained OFT) rescales parameters.
    const beside = live.map((adapter) => adapter.forward(x));
    const stored = values();
    const exact = (replacement: Replacement) => new MergedValue(replacement, replacement.value);
    const sum = placed(
      stored.map(({ replacement }) => exact(replacement)),
      run,
    );
    const isExact = stored.every((value) => value.stored === value.replacement.value);
    const rounded = () => stored.map((value) => new MergedValue(value.replacement, value.stored));
    const alone = live.length === 1 ? [sum] : live.map((adapter) => placed(adapter.merged().map(exact), run));
    return { stored, answers: { terms, base, beside, alone, sum, stored: isExact ? sum : placed(rounded(), run) } };
  });
}

/** Runs `fn` while the merged values are in the model, then restores the old values and frees the merged ones. */
function placed(values: readonly MergedValue[], fn: () => Tensor): Tensor {
  const set = (on: boolean) => {
    for (const value of values) value.set(on);
  };
  return runBetween(
    () => set(true),
    fn,
    () => {
      set(false);
      for (const { on } of values) on.dispose();
    },
  );
}
