import type { Generator, Tensor } from "@lowrank/core";
import { Linear, type UnaryModule } from "@lowrank/nn";
import type { MergeStep, Replacement } from "../layers/mergeStep.ts";
import { runBetween } from "../model/runBetween.ts";
import { MergedValue } from "./mergedValue.ts";
import { probeOf } from "./probe.ts";

/** A merged value, and what the model will hold of it. */
export interface HeldValue {
  replacement: Replacement;
  held: Tensor;
}

/** What a layer gives on a few random inputs. */
export interface LayerAnswers {
  /** How many products each number is a sum of. */
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
  held: Tensor;
}

/**
 * Runs a layer before and after its merge, into what `values` makes; gives that too. Nothing stays changed. No answers where the
 * layer's inputs are not known. For use in a scope.
 */
export function layerAnswers(
  { module, live, rows }: MergeStep,
  generator: Generator,
  values: () => readonly HeldValue[],
): { held: readonly HeldValue[]; answers: LayerAnswers | null } {
  const probe = probeOf(module, generator, rows);
  if (!probe) return { held: values(), answers: null };
  const { x, terms } = probe;
  const run = () => (module as UnaryModule).forward(x);
  // Rounded inputs are not the adapters' doing.
  const exactly = <T>(fn: () => T): T => (module instanceof Linear ? module.exactly(fn) : fn());
  return exactly(() => {
    const base = run();
    // Before anything is merged: some methods bring what a training step moved too far back when they act.
    const beside = live.map((adapter) => adapter.forward(x));
    const held = values();
    const exact = (replacement: Replacement) => new MergedValue(replacement, replacement.value);
    const sum = placed(
      held.map(({ replacement }) => exact(replacement)),
      run,
    );
    const isExact = held.every((value) => value.held === value.replacement.value);
    const rounded = () => held.map((value) => new MergedValue(value.replacement, value.held));
    const alone = live.length === 1 ? [sum] : live.map((adapter) => placed(adapter.merged().map(exact), run));
    return { held, answers: { terms, base, beside, alone, sum, held: isExact ? sum : placed(rounded(), run) } };
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
