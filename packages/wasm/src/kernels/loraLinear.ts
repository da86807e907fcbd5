import type { loraOp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

export const loraOpKernel: WasmKernel = kernel<typeof loraOp>(
  "loraLinear",
  (k, inputs, outputs, params, _, { plan }) => {
    const { rows, from, to, rank, down, up } = plan(inputs, outputs, params);
    const [out, low] = outputs;
    const [x, w] = inputs;
    const t = params.transposed ? 0 : 1;
    k.gemm(x.ptr, inputs[down].ptr, low.ptr, rows, rank, from, from, t ? from : rank, rank, 0, t, params.scaling, 0);
    if (w.dtype === "f32") k.gemm(x.ptr, w.ptr, out.ptr, rows, to, from, from, t ? from : to, to, 0, t, 1, 0);
    else k.gemmWeight(x.ptr, w.ptr, dtypeNumber(w), 0, out.ptr, rows, to, from, t, 1, 0);
    k.gemm(low.ptr, inputs[up].ptr, out.ptr, rows, to, rank, rank, t ? rank : to, to, 0, t, 1, 1);
  },
);
