import type { matmul } from "@lowrank/core/backend";
import { forEachMatrix, matmulPlan, sizeOf } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

export const matmulKernel: WasmKernel = kernel<typeof matmul>("matmul", (k, [a, b], [out], params) => {
  const ta = params.transposeA ? 1 : 0;
  const tb = params.transposeB ? 1 : 0;
  if (b.shape.length === 2 && (!ta || a.shape.length === 2)) {
    const { m, n, k: inner } = matmulPlan(a.shape, b.shape, params);
    const rows = ta ? m : sizeOf(a.shape.slice(0, -1));
    const [lda, ldb] = [ta ? rows : inner, tb ? inner : n];
    if (b.dtype === "f32") k.gemm(a.ptr, b.ptr, out.ptr, rows, n, inner, lda, ldb, n, ta, tb, 1, 0);
    else k.gemmWeight(a.ptr, b.ptr, dtypeNumber(b), 0, out.ptr, rows, n, inner, tb, 1, 0);
    return;
  }
  forEachMatrix(a, b, params, (ia, ib, io, p) => {
    const lda = ta ? p.m : p.k;
    const ldb = tb ? p.k : p.n;
    k.gemm(a.ptr + 4 * ia, b.ptr + 4 * ib, out.ptr + 4 * io, p.m, p.n, p.k, lda, ldb, p.n, ta, tb, 1, 0);
  });
});
