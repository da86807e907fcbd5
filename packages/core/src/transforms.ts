import { gradients, leavesOf } from "./autograd.ts";
import { enableGrad, isGradEnabled } from "./gradMode.ts";
import { reshape } from "./ops/reshape.ts";
import type { Tensor } from "./tensor.ts";

/** Which arguments of a function to differentiate by. */
export interface GradOptions {
  /** Positions of the arguments; default [0]. */
  argnums?: readonly number[];
}

/** A point at which gradients are taken: joined to the argument's own history, so that transforms nest. */
function point(x: Tensor): Tensor {
  if (x.requiresGrad) return reshape(x, { shape: x.shape });
  const leaf = x.detach();
  leaf.requiresGrad = true;
  return leaf;
}

interface Pulled {
  value: Tensor;
  pull: (gradient?: Tensor, retainGraph?: boolean) => Tensor[];
}

function record(fn: (...args: Tensor[]) => Tensor, args: readonly Tensor[], argnums: readonly number[]): Pulled {
  for (const i of argnums) {
    if (!(i in args)) throw new Error(`grad: there is no argument ${i} among ${args.length}; argnums counts from 0`);
  }
  const recording = isGradEnabled();
  return enableGrad(() => {
    const points = args.map((x, i) => (argnums.includes(i) ? point(x) : x));
    const value = fn(...points);
    const inputs = argnums.map((i) => points[i]);
    // Whoever records outside may come for gradients of these gradients, by way of what `fn` closes over too.
    const createGraph = recording && [...leavesOf(value)].some((leaf) => !points.includes(leaf));
    return {
      value: createGraph ? value : value.detach(),
      pull: (gradient, retainGraph = createGraph) => gradients(value, inputs, { gradient, createGraph, retainGraph }),
    };
  });
}

/** A function that gives the scalar value of `fn` and its gradients by the arguments `argnums`, as in JAX. */
export function valueAndGrad<A extends Tensor[]>(
  fn: (...args: A) => Tensor,
  options: GradOptions = {},
): (...args: A) => { value: Tensor; grads: Tensor[] } {
  return (...args) => {
    const { value, pull } = record(fn as (...args: Tensor[]) => Tensor, args, options.argnums ?? [0]);
    return { value, grads: pull() };
  };
}

/** A function that gives the gradient of the scalar function `fn` by its first argument; it can be nested, as in JAX. */
export function grad<A extends Tensor[]>(fn: (...args: A) => Tensor): (...args: A) => Tensor {
  const both = valueAndGrad(fn);
  return (...args) => both(...args).grads[0];
}

/** The value of `fn` at `args`, and a function from its gradient to the gradients of all `args`; call that as often as needed. */
export function vjp<A extends Tensor[]>(
  fn: (...args: A) => Tensor,
  ...args: A
): { value: Tensor; pullback: (gradient: Tensor) => Tensor[] } {
  const all = args.map((_, i) => i);
  const { value, pull } = record(fn as (...args: Tensor[]) => Tensor, args, all);
  return { value, pullback: (gradient) => pull(gradient, true) };
}
