import { noGrad } from "../gradMode.ts";
import { scope } from "../scope.ts";
import { formatShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { div } from "./div.ts";
import { sumTo } from "./expand.ts";
import { loraLinear } from "./loraLinear.ts";
import { matmul } from "./matmul.ts";
import { mul } from "./mul.ts";
import { reshape } from "./reshape.ts";
import { sqrt } from "./sqrt.ts";
import { square } from "./square.ts";
import { widen } from "./to.ts";

/** The length of each row of W + scaling B A, [out]; no gradient flows through it. */
export function doraNorm(w: Tensor, a: Tensor, b: Tensor, params: { scaling: number }): Tensor {
  return noGrad(() =>
    scope(() => {
      const merged = add(widen(w), affine(matmul(b, a, {}), { scale: params.scaling }));
      return sqrt(reshape(sumTo(square(merged), [w.shape[0], 1]), { shape: [w.shape[0]] }));
    }),
  );
}

/**
 * DoRA: magnitude / |W + s B A| * (x Wᵀ + s (x Aᵀ) Bᵀ), with the row lengths |...| held constant in the gradient as
 * the paper proposes and PEFT does; magnitude is [out]. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export function doraLinear(
  x: Tensor,
  w: Tensor,
  a: Tensor,
  b: Tensor,
  magnitude: Tensor,
  params: { scaling: number },
): Tensor {
  if (magnitude.ndim !== 1 || magnitude.shape[0] !== w.shape[0]) {
    throw new Error(
      `doraLinear: the magnitude ${formatShape(magnitude.shape)} must be [${w.shape[0]}], one per row of W`,
    );
  }
  return mul(loraLinear(x, w, a, b, params), div(magnitude, doraNorm(w, a, b, params)));
}
