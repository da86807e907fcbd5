import type { loraOp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { weightProduct } from "./weightProduct.ts";

export const loraOpKernel: WasmKernel = kernel<typeof loraOp>(
  "loraLinear",
  (k, inputs, outputs, params, scratch, { plan }) => {
    const { rows, from, to, rank, down, up } = plan(inputs, outputs, params);
    const [out, low] = outputs;
    const [x, w] = inputs;
    const t = params.transposed ? 0 : 1;
    k.gemm(x.ptr, inputs[down].ptr, low.ptr, rows, rank, from, from, t ? from : rank, rank, 0, t, params.scaling, 0);
    weightProduct(k, scratch, w, { x: x.ptr, out: out.ptr, rows, from, to, transposed: !params.transposed });
    k.gemm(low.ptr, inputs[up].ptr, out.ptr, rows, to, rank, rank, t ? rank : to, to, 0, t, 1, 1);
  },
);
