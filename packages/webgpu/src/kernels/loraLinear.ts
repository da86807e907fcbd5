import type { loraOp } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel.ts";
import { product } from "./products/product.ts";

/** The low-rank part is added to x Wᵀ in place, so neither product is held beside the other. */
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
);
