import type { matmul } from "@lowrank/core/backend";
import { forEachMatrix, matmulPlan, sizeOf } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { weightProduct } from "./weightProduct.ts";

export const matmulKernel: WasmKernel = kernel<typeof matmul>("matmul", (k, [a, b], [out], params, scratch) => {
  const ta = params.transposeA ? 1 : 0;
  const tb = params.transposeB ? 1 : 0;
  if (b.shape.length === 2 && (!ta || a.shape.length === 2)) {
    const { m, n, k: inner } = matmulPlan(a.shape, b.shape, params);
    const rows = ta ? m : sizeOf(a.shape.slice(0, -1));
    if (ta) k.gemm(a.ptr, b.ptr, out.ptr, rows, n, inner, rows, tb ? inner : n, n, ta, tb, 1, 0);
    else weightProduct(k, scratch, b, { x: a.ptr, out: out.ptr, rows, from: inner, to: n, transposed: tb === 1 });
    return;
  }
  forEachMatrix(a, b, params, (ia, ib, io, p) => {
    const lda = ta ? p.m : p.k;
    const ldb = tb ? p.k : p.n;
    k.gemm(a.ptr + 4 * ia, b.ptr + 4 * ib, out.ptr + 4 * io, p.m, p.n, p.k, lda, ldb, p.n, ta, tb, 1, 0);
  });
});
