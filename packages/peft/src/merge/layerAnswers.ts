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
  /** Number of products in the sum of each output number. */
  terms: number;
  /** Without adapters. */
  base: Tensor;
  /** With each adapter beside it. */
  beside: readonly Tensor[];
  /** With each merged alone, in f32. */
  alone: readonly Tensor[];
  /** With all merged, in f32. */
  sum: Tensor;
  /** With all merged, as the model will hold the values. */
  stored: Tensor;
}

/**
 * Runs a layer before and after its merge into the values that `values` makes, and returns these
 * too. Nothing stays changed. `answers` is null if the layer's inputs are not known. For use in a
 * scope.
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
  // What inputs and products lose by rounding is not the adapters' doing.
  return unrounded(module, () => {
    const base = run();
    // Before anything is merged: some methods bring what a training step moved
    // too far back when they act.
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

/** Runs `fn` with values in place. */
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
