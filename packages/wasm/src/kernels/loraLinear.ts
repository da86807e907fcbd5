import type { loraOp } from "@lowrank/core/backend";
import { dtypeNumber } from "./dtypeNumber.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { allowsCodes, weightProduct } from "./weightProduct.ts";

/**
 * Approximate number of elements of W + s B A that are in memory at a time. They are whole groups of `rowStep` rows.
 */
const heldNumbers = 1 << 20;
const rowStep = 64;

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
    if (4 * rows < 5 * from || allowsCodes(w, rows) || k.isBatchInvariant()) {
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
