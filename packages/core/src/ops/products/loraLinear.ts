import type { TensorSpec, View } from "../../backends/backend.ts";
import { unpackAll } from "../../backends/packedFormat.ts";
import { checkCall, defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { reshape } from "../shapes/reshape.ts";
import { asMatrix } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { toDTypeOf } from "../unary/to.ts";
import { matmul } from "./matmul.ts";
import { expectWeight } from "./weight.ts";

/** Computes out[m, n] += alpha * x[m, k] * y[k, n]. If `transposed`, y is stored as [n, k]. */
function multiply(x: View, y: View, out: View, m: number, n: number, k: number, transposed: boolean, alpha: number) {
  const right = unpackAll(y);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += x.data[i * k + p] * right[transposed ? j * k + p : p * n + j];
      out.data[i * n + j] += alpha * sum;
    }
  }
}

/**
 * Returns aᵀ b, where the leading dimensions of a [..., m] and b [..., n] are flattened into rows: [m, n]. If
 * `swapped`, returns bᵀ a.
 */
function outer(a: Tensor, b: Tensor, swapped: boolean): Tensor {
  const [x, y] = (swapped ? [b, a] : [a, b]).map(asMatrix);
  return matmul(x, y, { transposeA: true });
}

/**
 * The op behind `loraLinear`. Its second output is s x Aᵀ, the scaled low-rank activations, which the gradient of B
 * needs.
 */
export const loraOp: Op<4, LoraParams, 2, Planned<LoraParams, LoraPlan>> = defineOp({
  name: "loraLinear",
  arity: 4,
  packed: [1],
  plan: (inputs, _outputs, params) => loraPlan(inputs, params),
  shape: (inputs, params) => {
    const { to, rank } = loraPlan(inputs, params);
    const lead = inputs[0].shape.slice(0, -1);
    return [
      { shape: [...lead, to], dtype: "f32" },
      { shape: [...lead, rank], dtype: "f32" },
    ];
  },
  ref: (inputs, [out, low], params) => {
    const { rows, from, to, rank, down, up } = loraPlan(inputs, params);
    const [x, w] = inputs;
    const t = !params.transposed;
    out.data.fill(0);
    low.data.fill(0);
    multiply(x, inputs[down], low, rows, rank, from, t, params.scaling);
    multiply(x, w, out, rows, to, from, t, 1);
    multiply(low, inputs[up], out, rows, to, rank, t, 1);
  },
  compose: (inputs, params) => {
    const { rows, from, to, rank, down, up } = loraPlan(inputs, params);
    const lead = inputs[0].shape.slice(0, -1);
    const x = reshape(inputs[0], { shape: [rows, from] });
    const times = (t: Tensor, y: Tensor) => matmul(t, y, { transposeB: !params.transposed });
    const low = affine(times(x, inputs[down]), { scale: params.scaling });
    const out = add(times(x, inputs[1]), times(low, inputs[up]));
    return [reshape(out, { shape: [...lead, to] }), reshape(low, { shape: [...lead, rank] })];
  },
  saves: (needs, { transposed }) => {
    const { down, up } = factorOrder(transposed);
    const savesInput = [needs[1] || needs[down], needs[0]];
    savesInput[down] = needs[0];
    savesInput[up] = needs[0] || needs[down];
    return { inputs: savesInput.flatMap((saved, i) => (saved ? [i] : [])), outputs: needs[up] ? [1] : [] };
  },
  vjp: ({ grads: [dy, dlow], arrived, inputs, inputSpecs, outputs: [, low], needs, params }) => {
    const { scaling, transposed = false } = params;
    const { down, up } = factorOrder(transposed);
    const [x, w, a, b] = inputs;
    const scaled = (t: Tensor) => affine(t, { scale: scaling });
    let dx: Tensor | null = null;
    let inner: Tensor | null = null;
    if (needs[0]) [dx, inner] = loraOp(dy, w, a, b, { scaling, transposed: !transposed });
    else if (needs[down]) inner = scaled(matmul(dy, inputs[up], { transposeB: transposed }));
    if (arrived[1]) {
      const extra = scaled(dlow);
      if (inner) inner = add(inner, extra);
      if (dx) dx = add(dx, matmul(extra, inputs[down], { transposeB: transposed }));
    }
    const grads = [dx, needs[1] ? toDTypeOf(outer(dy, x, transposed), inputSpecs[1]) : null, null, null];
    if (needs[down] && inner) grads[down] = outer(inner, x, transposed);
    if (needs[up]) grads[up] = outer(dy, low, transposed);
    return grads;
  },
});

/**
 * Returns x Wᵀ + scaling (x Aᵀ) Bᵀ for x [..., in], W [out, in] (also half precision or packed), A [r, in], B [out, r].
 * The caller adds the bias. x is saved for the gradient only if A (or W) is trained. Hu et al. 2021,
 * https://arxiv.org/abs/2106.09685
 */
export function loraLinear(x: Tensor, w: Tensor, a: Tensor, b: Tensor, params: { scaling: number }): Tensor {
  checkCall("loraLinear", 4, arguments, params, { scaling: true });
  const [out, low] = loraOp(x.ndim === 1 ? reshape(x, { shape: [1, x.size] }) : x, w, a, b, params);
  low.dispose();
  return x.ndim === 1 ? reshape(out, { shape: [out.size] }) : out;
}

/** Parameters of the op behind `loraLinear`. */
interface LoraParams {
  readonly scaling: number;
  /**
   * True to compute the gradient with respect to x: dy W + scaling * (dy B) A. The op's first input is then dy, the
   * gradient of the output, instead of x. Default false.
   */
  readonly transposed?: boolean;
}

/**
 * The sizes of one call. W maps vectors of `from` elements to vectors of `to` elements. `down` is the index, among the
 * op's inputs, of the factor that is multiplied first; `up` is the index of the other factor.
 */
interface LoraPlan {
  readonly rows: number;
  readonly from: number;
  readonly to: number;
  readonly rank: number;
  readonly down: number;
  readonly up: number;
}

/** Checks (x, W, A, B) and returns their sizes. */
function loraPlan(inputs: readonly TensorSpec[], { transposed }: LoraParams): LoraPlan {
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

/**
 * Returns the indices of the factors among the op's inputs, in the order of multiplication: A first, or B first if
 * `transposed`.
 */
function factorOrder(transposed = false): { down: number; up: number } {
  return transposed ? { down: 3, up: 2 } : { down: 2, up: 3 };
}
