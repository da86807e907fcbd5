import { checkCall, refuseSurplus } from "../../engine/op.ts";
import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { noGrad } from "../../modes/gradMode.ts";
import { add } from "../binary/add.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { sumTo } from "../shapes/expand.ts";
import { permute } from "../shapes/permute.ts";
import { reshape } from "../shapes/reshape.ts";
import { affine } from "../unary/affine.ts";
import { clamp } from "../unary/clamp.ts";
import { sqrt } from "../unary/sqrt.ts";
import { square } from "../unary/square.ts";
import { widen } from "../unary/to.ts";
import { loraLinear } from "./loraLinear.ts";
import { matmul } from "./matmul.ts";

/** Parameters of `doraNorm`. */
export interface DoraNormParams {
  readonly scaling: number;
  /** True if W is stored as [in, out]. Default false. */
  readonly fanInFanOut?: boolean;
  /** The result of `rowSquares(w)`, if the caller has cached it. Default: it is computed in each call. */
  readonly squares?: Tensor;
}

/** Lower bound of a row's sum of squares, so that a row of zeros does not give NaN. */
const smallest = 1e-30;

/** Returns the sum of squares of each row of W [out, in] (of each column, if W is [in, out]): [out]. */
export function rowSquares(w: Tensor, options: { fanInFanOut?: boolean } = {}): Tensor {
  checkCall("rowSquares", 1, arguments, options, { fanInFanOut: true });
  const { fanInFanOut = false } = options;
  const [rows, columns] = w.shape;
  return noGrad(() =>
    scope(() => {
      const sums = sumTo(square(widen(w)), fanInFanOut ? [1, columns] : [rows, 1]);
      return reshape(sums, { shape: [fanInFanOut ? columns : rows] });
    }),
  );
}

/**
 * Returns the norm of each row of W + s B A, [out]. It does not compute that matrix: the squared norm of a row is |W|²
 * + s B (2 W Aᵀ + s B A Aᵀ). No gradient flows through it.
 */
export function doraNorm(w: Tensor, a: Tensor, b: Tensor, params: DoraNormParams): Tensor {
  checkCall("doraNorm", 3, arguments, params, { scaling: true, fanInFanOut: true, squares: true });
  const { scaling, fanInFanOut = false, squares } = params;
  return noGrad(() =>
    scope(() => {
      const own = affine(matmul(a, w, { transposeB: !fanInFanOut }), { scale: 2 });
      const added = affine(matmul(matmul(a, a, { transposeB: true }), b, { transposeB: true }), { scale: scaling });
      const cross = mul(b, permute(add(own, added), { dims: [1, 0] }));
      const sums = reshape(sumTo(cross, [b.shape[0], 1]), { shape: [b.shape[0]] });
      const lengths = add(squares ?? rowSquares(w, { fanInFanOut }), affine(sums, { scale: scaling }));
      return sqrt(clamp(lengths, { min: smallest }));
    }),
  );
}

/**
 * DoRA: returns magnitude / |W + s B A| * (x Wᵀ + s (x Aᵀ) Bᵀ), with magnitude [out]. The row norms |...| are constants
 * for the gradient, as the paper proposes and PEFT implements. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export function doraLinear(
  x: Tensor,
  w: Tensor,
  a: Tensor,
  b: Tensor,
  magnitude: Tensor,
  params: { scaling: number; squares?: Tensor },
): Tensor {
  refuseSurplus("doraLinear", 5, arguments);
  if (magnitude.ndim !== 1 || magnitude.shape[0] !== w.shape[0]) {
    throw new Error(
      `doraLinear: the magnitude ${formatShape(magnitude.shape)} must be [${w.shape[0]}], one per row of W`,
    );
  }
  const { scaling } = params;
  return mul(loraLinear(x, w, a, b, { scaling }), div(magnitude, doraNorm(w, a, b, params)));
}
