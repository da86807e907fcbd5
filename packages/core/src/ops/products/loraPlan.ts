import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { expectWeight } from "./weight.ts";

/** Parameters of the op behind `loraLinear`. */
export interface LoraParams {
  readonly scaling: number;
  /**
   * True to compute the gradient of the op's input: dy W + scaling * (dy B) A, where dy, the gradient of the output, is
   * passed instead of x. Default false.
   */
  readonly transposed?: boolean;
}

/**
 * The sizes of one call. W maps vectors of `from` elements to vectors of `to` elements. `down` and `up` are the input
 * positions of the factors that are multiplied first and second.
 */
export interface LoraPlan {
  readonly rows: number;
  readonly from: number;
  readonly to: number;
  readonly rank: number;
  readonly down: number;
  readonly up: number;
}

/** Checks (x, W, A, B) and returns their sizes. */
export function loraPlan(inputs: readonly TensorSpec[], { transposed }: LoraParams): LoraPlan {
  for (let i = 0; i < 4; i++) {
    if (i === 1) expectWeight("loraLinear", inputs, i);
    else expectDType("loraLinear", inputs, i, "f32");
  }
  const [{ shape: x }, { shape: w }, { shape: a }, { shape: b }] = inputs;
  if (w.length !== 2 || a.length !== 2 || b.length !== 2 || a[1] !== w[1] || b[0] !== w[0] || a[0] !== b[1]) {
    throw new Error(
      `loraLinear: W ${formatShape(w)} [out,in], A ${formatShape(a)} [r,in] and B ${formatShape(b)} [out,r] do not fit`,
    );
  }
  const [to, from] = transposed ? [w[1], w[0]] : w;
  if (x[x.length - 1] !== from) {
    throw new Error(`loraLinear: x ${formatShape(x)} must end in ${from} for W ${formatShape(w)}`);
  }
  let rows = 1;
  for (let d = 0; d < x.length - 1; d++) rows *= x[d];
  const { down, up } = factorOrder(transposed);
  return { rows, from, to, rank: a[0], down, up };
}

/** Returns the input positions of the factors in the order of use: A then B, or B then A if `transposed`. */
export function factorOrder(transposed = false): { down: number; up: number } {
  return transposed ? { down: 3, up: 2 } : { down: 2, up: 3 };
}
