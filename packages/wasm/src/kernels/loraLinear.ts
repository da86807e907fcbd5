import type { loraOp } from "@lowrank/core/backend";
import { kernel, type ParamsOf, type Scratch, type WasmKernel, type WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";
import { allowsCodes, weightProduct } from "./weightProduct.ts";

/** Numbers of W + s B A that are held at a time, about; they are whole steps of rows. */
const heldNumbers = 1 << 20;
const rowStep = 64;

/**
 * True where W + s B A costs less than the product with the second factor that it saves: where
 * there are more rows than numbers in each, and some more for the memory that it takes.
 */
function sumIsLess(k: Kernels, w: WasmTensor, rows: number, from: number): boolean {
  return 4 * rows >= 5 * from && !allowsCodes(w, rows) && k.isBatchInvariant() === 0;
}

/** y = x (W + s B A)ᵀ, or x (W + s B A), by some rows of the sum at a time. */
function sumProduct(
  k: Kernels,
  scratch: Scratch,
  [x, w, a, b]: readonly WasmTensor[],
  y: WasmTensor,
  rows: number,
  { scaling, transposed = false }: ParamsOf<typeof loraOp>,
): void {
  const [height, width] = w.shape;
  const [rank] = a.shape;
  const most = Math.max(rowStep, Math.floor(heldNumbers / width / rowStep) * rowStep);
  const sum = scratch(4 * Math.min(most, height) * width);
  for (let top = 0; top < height; top += most) {
    const n = Math.min(most, height - top);
    k.unpackRow(dtypeNumber(w), w.ptr, top * width, n * width, sum);
    k.gemm(b.ptr + 4 * top * rank, a.ptr, sum, n, width, rank, rank, width, width, 0, 0, scaling, 1);
    if (transposed) k.gemm(x.ptr + 4 * top, sum, y.ptr, rows, width, n, height, width, width, 0, 0, 1, top > 0 ? 1 : 0);
    else k.gemm(x.ptr, sum, y.ptr + 4 * top, rows, n, width, width, width, height, 0, 1, 1, 0);
  }
}

export const loraOpKernel: WasmKernel = kernel<typeof loraOp>(
  "loraLinear",
  (k, inputs, [out, low], params, scratch, { plan }) => {
    const { rows, from, to, rank, down, up } = plan(inputs, [out, low], params);
    const [x, w] = inputs;
    const t = params.transposed ? 0 : 1;
    k.gemm(x.ptr, inputs[down].ptr, low.ptr, rows, rank, from, from, t ? from : rank, rank, 0, t, params.scaling, 0);
    if (sumIsLess(k, w, rows, from)) {
      sumProduct(k, scratch, inputs, out, rows, params);
      return;
    }
    weightProduct(k, scratch, w, { x: x.ptr, out: out.ptr, rows, from, to, transposed: !params.transposed });
    k.gemm(low.ptr, inputs[up].ptr, out.ptr, rows, to, rank, rank, t ? rank : to, to, 0, t, 1, 1);
  },
);
