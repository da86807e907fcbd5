import type { matmul, TensorSpec } from "@lowrank/core/backend";
import { collapse, isPacked, matmulPlan, sizeOf } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { f32 } from "../selfCheck/shrink.ts";
import type { Product } from "./products/pieces.ts";
import { product } from "./products/product.ts";

/** Returns the sizes m, n and k of a matrix product of two tensors, and its batch. */
export function productOf(
  a: TensorSpec,
  w: TensorSpec,
  params: { transposeA?: boolean; transposeB?: boolean },
): Pick<Product, "m" | "n" | "k" | "batch" | "transposeA" | "transposeB"> {
  const { m, n, k, batch } = matmulPlan(a.shape, w.shape, params);
  // A batch with one shared weight is computed as one tall product.
  if (!params.transposeA && w.shape.length === 2) return { ...params, m: m * sizeOf(batch), n, k };
  const leads = [a, w].map(({ shape }) => shape.slice(0, -2));
  return { ...params, m, n, k, batch: collapse(batch, leads) };
}

export const matmulKernel: WebGpuKernel = kernel<typeof matmul>(
  "matmul",
  ([a, w], [out], params, gpu) => {
    return product({ ...productOf(a, w, params), a, w, out }, gpu);
  },
  {
    // Only products with packed weights are checked, since other products have no composition to fall back to.
    example: ([a, w], params) => {
      if (!isPacked(w.dtype)) return undefined;
      // The left operand of a packed weight is not transposed.
      const m = a.shape[a.shape.length - 2] > 1 ? 3 : 1;
      const [n, k] = [64, 128];
      return { inputs: [f32(m, k), { ...w, shape: params.transposeB ? [n, k] : [k, n] }], params };
    },
  },
);
