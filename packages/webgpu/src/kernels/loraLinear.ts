import { type loraOp, sizeOf } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { f32 } from "../selfCheck/shrink.ts";
import { product } from "./products/product.ts";

/** Computes x Wᵀ and adds the low-rank product to it in place, so that only one [rows, n] result is in memory. */
export const loraOpKernel: WebGpuKernel = kernel<typeof loraOp>(
  "loraLinear",
  (inputs, [out, low], params, gpu, { plan }) => {
    const { rows: m, from: k, to: n, rank, down, up } = plan(inputs, [out, low], params);
    const [x, w] = inputs;
    const shared = { m, transposeB: !params.transposed };
    const scaled = { ending: "scaled", scale: params.scaling } as const;
    return [
      ...product({ ...shared, a: x, w: inputs[down], out: low, n: rank, k, ...scaled }, gpu),
      ...product({ ...shared, a: x, w, out, n, k }, gpu),
      ...product({ ...shared, a: low, w: inputs[up], out, n, k: rank, ending: "added" }, gpu),
    ];
  },
  {
    example: ([x, w, a], params) => {
      const [to, from, rank] = [64, 128, Math.min(a.shape[0], 16)];
      const rows = sizeOf(x.shape.slice(0, -1)) > 1 ? 3 : 1;
      const factors = [f32(rank, from), f32(to, rank)];
      return { inputs: [f32(rows, params.transposed ? to : from), { ...w, shape: [to, from] }, ...factors], params };
    },
  },
);
