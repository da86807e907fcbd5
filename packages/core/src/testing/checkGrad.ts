import { gradients } from "../autograd/autograd.ts";
import { tensor } from "../creation/makeTensor.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import { isPacked } from "../layout/dtype.ts";
import { enableGrad, noGrad } from "../modes/gradMode.ts";
import { add } from "../ops/binary/add.ts";
import { mul } from "../ops/binary/mul.ts";
import { sumTo } from "../ops/shapes/expand.ts";
import { Generator } from "../random/random.ts";
import { expectClose } from "./expectClose.ts";

/** Options of `checkGrad`. */
export interface CheckGradOptions {
  /** Step of the finite differences. Default 0.02: with four points, f32 values then give about 5 digits. */
  step?: number;
  /** Largest error allowed, relative to the gradient's largest entry. Default 1e-3. */
  tolerance?: number;
  /** 1 checks gradients, 2 also checks gradients of gradients. Default 1. */
  order?: 1 | 2;
  /** Positions of inputs whose gradients are checked. Default: all f32 ones. */
  inputs?: readonly number[];
  /** Number of elements to check in each input, spread evenly. Default: all. */
  elements?: number;
}

type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

function leafOf(t: Tensor): Tensor {
  const leaf = t.detach();
  leaf.requiresGrad = true;
  return leaf;
}

/** Calls a function and returns its f32 outputs as a list. */
function outputs(fn: Fn, inputs: readonly Tensor[]): Tensor[] {
  return [fn(...inputs)].flat().filter((t): t is Tensor => t.dtype === "f32");
}

/**
 * Returns `count` of the positions 0..length-1, spread evenly, or all if there are not more. They are multiples of the
 * golden ratio, so that they are also spread over the columns of a matrix.
 */
function spread(length: number, count: number): number[] {
  if (count >= length) return Array.from({ length }, (_, at) => at);
  const golden = (Math.sqrt(5) - 1) / 2;
  return Array.from({ length: count }, (_, i) => Math.floor((((i + 1) * golden) % 1) * length));
}

/**
 * Checks the gradients of `fn` against finite differences, for a weighted sum of its outputs with random weights.
 * Throws at the first value that differs. `fn` must be smooth within 2 steps of the inputs.
 */
export async function checkGrad(fn: Fn, inputs: readonly Tensor[], options: CheckGradOptions = {}): Promise<void> {
  checkOptions("checkGrad", options, { step: true, tolerance: true, order: true, inputs: true, elements: true });
  const { step = 0.02, tolerance = 1e-3, order = 1, elements = Number.POSITIVE_INFINITY } = options;
  const chosen = options.inputs ?? inputs.flatMap((t, i) => (t.dtype === "f32" ? [i] : []));
  const { backend } = inputs[0].storage;
  const start = await Promise.all(
    inputs.map(async (t) => ({ shape: t.shape, dtype: t.dtype, data: isPacked(t.dtype) ? [] : await t.data() })),
  );
  const weights = scope(() => noGrad(() => outputs(fn, inputs))).map(({ shape, size }, k) => {
    const values = new Float32Array(size);
    new Generator(k + 1).fillUniform(values, 0.5, 1.5);
    return { shape, values };
  });
  const rebuild = (i: number, data: ArrayLike<number>) =>
    isPacked(start[i].dtype)
      ? inputs[i].detach()
      : tensor(data, { shape: start[i].shape, dtype: start[i].dtype, backend });

  const valueAt = async (i: number, at: number, shift: number): Promise<number> => {
    const moved = Float32Array.from(start[i].data);
    moved[at] += shift;
    const results = scope(() =>
      noGrad(() =>
        outputs(
          fn,
          inputs.map((t, j) => (j === i ? rebuild(i, moved) : t)),
        ),
      ),
    );
    const data = await Promise.all(results.map((t) => t.data()));
    for (const t of results) t.dispose();
    let sum = 0;
    for (const [k, y] of data.entries()) {
      for (let n = 0; n < y.length; n++) sum += y[n] * weights[k].values[n];
    }
    return sum;
  };

  // Gradients are recorded here even inside `noGrad`, so that they can be differentiated again.
  const slopes = (...tensors: Tensor[]): Tensor[] =>
    enableGrad(() => {
      const leaves = tensors.map((t, i) => (chosen.includes(i) && !t.requiresGrad ? leafOf(t) : t));
      const total = outputs(fn, leaves)
        .map((y, k) => sumTo(mul(y, tensor(weights[k].values, { shape: weights[k].shape, backend })), []))
        .reduce((sum, part) => add(sum, part));
      const wanted = chosen.map((i) => leaves[i]);
      return gradients(total, wanted, { createGraph: order === 2 });
    });

  const found = scope(() => slopes(...start.map(({ data }, i) => rebuild(i, data))));
  for (const [n, i] of chosen.entries()) {
    const data = await found[n].data();
    // An unchecked element must be finite, and counts for the scale of the tolerance.
    const expected = Float32Array.from(data as ArrayLike<number>, (y) => (Number.isFinite(y) ? y : 0));
    for (const at of spread(expected.length, elements)) {
      const near = (await valueAt(i, at, step)) - (await valueAt(i, at, -step));
      const far = (await valueAt(i, at, 2 * step)) - (await valueAt(i, at, -2 * step));
      expected[at] = (8 * near - far) / (12 * step);
    }
    const actual = { shape: found[n].shape, data };
    expectClose(`gradient of input ${i}`, actual, { shape: start[i].shape, data: expected }, tolerance);
  }
  for (const t of found) t.dispose();
  if (order === 2) await checkGrad(slopes, inputs, { ...options, order: 1, inputs: chosen });
}
