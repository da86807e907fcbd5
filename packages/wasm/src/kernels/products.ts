import { forEachMatrix, type linearInt8, type loraOp, type matmul, matmulPlan, sizeOf } from "@lowrank/core/backend";
import { codeBits, dtypeNumber, kernel, type WasmKernel } from "./kernel.ts";
import { chooseNibbleSums } from "./trials.ts";
import { allowsCodes, nibbleProducts, weightProduct } from "./weightProduct.ts";

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

/**
 * Approximate maximum number of elements of W + s B A in memory at a time. The sum is computed for a range of rows at a
 * time; the number of rows is a multiple of `rowStep`.
 */
const heldNumbers = 1 << 20;
const rowStep = 64;

/**
 * Largest number of outputs for which `gemm` and `gemmWeight` may add up terms in different orders. A new adapter must
 * not change a bit, so the weight is then multiplied as without an adapter.
 */
const mostNarrow = 6;

export const loraOpKernel: WasmKernel = kernel<typeof loraOp>(
  "loraLinear",
  (k, inputs, [out, low], params, scratch, { plan }) => {
    const { rows, from, to, rank, down, up } = plan(inputs, [out, low], params);
    const { scaling, transposed = false } = params;
    const [x, w, a, b] = inputs;
    const t = transposed ? 0 : 1;
    k.gemm(x.ptr, inputs[down].ptr, low.ptr, rows, rank, from, from, t ? from : rank, rank, 0, t, scaling, 0);
    // W + s B A costs less than the product with the second factor, which it saves, if there are more rows than
    // elements in each row. The factor 5/4 accounts for the memory that it takes.
    const narrow = w.dtype !== "f32" && to <= mostNarrow;
    if (4 * rows < 5 * from || narrow || allowsCodes(w, rows) || k.isBatchInvariant()) {
      weightProduct(k, scratch, w, { x: x.ptr, out: out.ptr, rows, from, to, transposed: !transposed });
      k.gemm(low.ptr, inputs[up].ptr, out.ptr, rows, to, rank, rank, t ? rank : to, to, 0, t, 1, 1);
      return;
    }
    // Computes some rows of the sum at a time: columns of the output, or a part of the contraction.
    const [height, width] = w.shape;
    const most = Math.max(rowStep, Math.floor(heldNumbers / width / rowStep) * rowStep);
    const sum = scratch(4 * Math.min(most, height) * width);
    for (let top = 0; top < height; top += most) {
      const n = Math.min(most, height - top);
      k.unpackRow(dtypeNumber(w), w.ptr, top * width, n * width, sum);
      k.gemm(b.ptr + 4 * top * rank, a.ptr, sum, n, width, rank, rank, width, width, 0, 0, scaling, 1);
      if (t) k.gemm(x.ptr, sum, out.ptr + 4 * top, rows, n, from, from, from, to, 0, t, 1, 0);
      else k.gemm(x.ptr + 4 * top, sum, out.ptr, rows, to, n, from, to, to, 0, t, 1, top > 0 ? 1 : 0);
    }
  },
);

/** Number of rows of x that the kernel multiplies at the same time. A single row is multiplied alone. */
const rowsAbreast = 4;

export const linearInt8Kernel: WasmKernel = kernel<typeof linearInt8>("linearInt8", (k, [x, w], [out], _, scratch) => {
  const [outFeatures, inFeatures] = w.shape;
  const rows = sizeOf(x.shape.slice(0, -1));
  const bits = codeBits(w.dtype);
  const later = rows > 1 ? nibbleProducts.get(k) : undefined;
  if (bits === 4 && later) chooseNibbleSums(k, scratch);
  const encode = bits === 6 ? later?.bytesInWords : bits === 8 ? undefined : later?.inBytes;
  const planes = bits === 8 || (bits === 6 && later) ? 2 : 1;
  const padded = rows === 1 ? 1 : Math.ceil(rows / rowsAbreast) * rowsAbreast;
  const codes = scratch(padded * (planes + 1 / 4) * inFeatures);
  if (encode) encode(x.ptr, codes, rows, inFeatures);
  else k.quantizeInt8(x.ptr, codes, rows, inFeatures, planes);
  const work = scratch(k.codesScratch());
  k.linearInt8(codes, planes, w.ptr, dtypeNumber(w), out.ptr, rows, outFeatures, inFeatures, 0, outFeatures, work);
});
