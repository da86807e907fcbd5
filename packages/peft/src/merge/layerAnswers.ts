import type { Generator, Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { MergeStep, Replacement } from "../layers/mergeStep.ts";
import { runBetween } from "../model/runBetween.ts";
import { MergedValue } from "./mergedValue.ts";
import { probeOf } from "./probe.ts";
import { unrounded } from "./unrounded.ts";

/** A merged value, and the same value as the model will store it. */
export interface StoredValue {
  replacement: Replacement;
  stored: Tensor;
}

/** The outputs of a layer on a few random inputs. */
export interface LayerAnswers {
  /** Number of products summed for each output element. */
  terms: number;
  /** Without adapters. */
  base: Tensor;
  /** With each adapter, unmerged. */
  beside: readonly Tensor[];
  /** With each adapter merged alone, in f32. */
  alone: readonly Tensor[];
  /** With all adapters merged, in f32. */
  sum: Tensor;
  /** With all adapters merged, in the values that the model will store. */
  stored: Tensor;
}

/**
 * Runs a layer before and after merging the values that `values` computes, and returns these values too. Restores the
 * layer. `answers` is null if no inputs can be generated for the module. Call it in a scope.
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
  // Rounding of inputs and products is not an error of the merge.
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

/** Runs `fn` with the values in the model. */
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
