import { full } from "../creation/create.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import { formatShape, sameShape } from "../layout/shape.ts";
import { enableGrad, isGradEnabled } from "../modes/gradMode.ts";
import { add } from "../ops/binary/add.ts";
import { mul } from "../ops/binary/mul.ts";
import { sumTo } from "../ops/shapes/expand.ts";
import { reshape } from "../ops/shapes/reshape.ts";
import { gradients, leafTensorsOf } from "./autograd.ts";

/** Options of `grad` and `valueAndGrad`: which arguments to differentiate with respect to. */
export interface GradOptions {
  /** Positions of the arguments to differentiate with respect to. Default [0]. */
  argnums?: readonly number[];
}

/**
 * Returns a tensor with the values of x; gradients are then taken with respect to this tensor. If x requires gradients,
 * the tensor stays connected to x, so that transforms can be nested. Otherwise it is a new leaf.
 */
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
    // If an outer computation is recorded, it may need gradients of these gradients, also through tensors that `fn`
    // closes over.
    const createGraph = recording && [...leafTensorsOf(value)].some((leaf) => !points.includes(leaf));
    return {
      value: createGraph ? value : value.detach(),
      pull: (gradient, retainGraph = createGraph) => gradients(value, inputs, { gradient, createGraph, retainGraph }),
    };
  });
}

/**
 * Returns a function that computes the scalar value of `fn`, and its gradients with respect to the arguments at
 * positions `argnums`, as in JAX.
 */
export function valueAndGrad<A extends Tensor[]>(
  fn: (...args: A) => Tensor,
  options: GradOptions = {},
): (...args: A) => { value: Tensor; grads: Tensor[] } {
  checkOptions("valueAndGrad", options, { argnums: true });
  return (...args) => {
    const { value, pull } = record(fn as (...args: Tensor[]) => Tensor, args, options.argnums ?? [0]);
    return { value, grads: pull() };
  };
}

/**
 * Returns a function that computes the gradient of the scalar function `fn` with respect to its first argument. Calls
 * can be nested, as in JAX.
 */
export function grad<A extends Tensor[]>(fn: (...args: A) => Tensor): (...args: A) => Tensor {
  const both = valueAndGrad(fn);
  return (...args) => both(...args).grads[0];
}

/**
 * Returns the value of `fn` at `args`, and a function `pullback` that maps a gradient of this value to the gradients of
 * all `args`. `pullback` can be called several times.
 */
export function vjp<A extends Tensor[]>(
  fn: (...args: A) => Tensor,
  ...args: A
): { value: Tensor; pullback: (gradient: Tensor) => Tensor[] } {
  const all = args.map((_, i) => i);
  const { value, pull } = record(fn as (...args: Tensor[]) => Tensor, args, all);
  return { value, pullback: (gradient) => pull(gradient, true) };
}

/**
 * Returns the value of `fn` at `primals` and its directional derivative: the Jacobian times `tangents`, which have the
 * shapes of the primals. It can be nested with `grad`: `jvp(grad(f), [x], [v]).tangent` is the Hessian of f times v.
 * The result is exact. It is computed by two backward passes (Townsend 2017), and costs about three evaluations of
 * `fn`.
 */
export function jvp<A extends Tensor[]>(
  fn: (...args: A) => Tensor,
  primals: [...A],
  tangents: readonly Tensor[],
): { value: Tensor; tangent: Tensor } {
  checkTangents(primals, tangents);
  const recording = isGradEnabled();
  return enableGrad(() =>
    scope(() => {
      const points = primals.map(point);
      const value = fn(...(points as A));
      const zero = () => full(value.shape, 0, { backend: value.storage.backend });
      if (!value.node) return { value, tangent: zero() };
      const direction = zero();
      direction.requiresGrad = true;
      const pulled = gradients(value, points, { gradient: direction, createGraph: true });
      // The sum is linear in `direction`; its slope is the derivative along the tangents.
      const along = pulled.map((g, i) => sumTo(mul(g, tangents[i]), [])).reduce((sum, part) => add(sum, part));
      const own = new Set([...points, direction]);
      const createGraph =
        recording && [...leafTensorsOf(value), ...leafTensorsOf(along)].some((leaf) => !own.has(leaf));
      const tangent = along.node ? gradients(along, [direction], { createGraph })[0] : zero();
      return { value: createGraph ? value : value.detach(), tangent };
    }),
  );
}

function checkTangents(primals: readonly Tensor[], tangents: readonly Tensor[]): void {
  if (primals.length === 0 || primals.length !== tangents.length) {
    throw new Error(`jvp: ${primals.length} primals and ${tangents.length} tangents; give one tangent for each primal`);
  }
  for (const [i, { shape }] of primals.entries()) {
    if (!sameShape(tangents[i].shape, shape)) {
      throw new Error(`jvp: tangent ${i} ${formatShape(tangents[i].shape)} must be ${formatShape(shape)}`);
    }
  }
}
