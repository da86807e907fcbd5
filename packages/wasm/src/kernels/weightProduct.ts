import type { Scratch, WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Sides of a product from which integer codes are worth their making. */
const [leastRows, leastSide] = [8, 128];

/** C[rows,to] = X[rows,from] times a weight [from,to], or [to,from] read as its transpose. */
interface WeightProduct {
  /** The addresses of X and C. */
  readonly x: number;
  readonly out: number;
  readonly rows: number;
  readonly from: number;
  readonly to: number;
  readonly transposed: boolean;
}

/** Computes a product with a weight of any dtype, in integers if its precision allows that. */
export function weightProduct(k: Kernels, scratch: Scratch, w: WasmTensor, product: WeightProduct): void {
  const { x, out, rows, from, to, transposed } = product;
  const t = transposed ? 1 : 0;
  if (w.dtype !== "f32") k.gemmWeight(x, w.ptr, dtypeNumber(w), 0, out, rows, to, from, t, 1, 0);
  else if (!inIntegers(k, scratch, w, product)) {
    k.gemm(x, w.ptr, out, rows, to, from, from, transposed ? from : to, to, 0, t, 1, 0);
  }
}

/** Returns the codes of a weight for products with so many rows; 0 where these are to be in f32. */
export function weightCodes(k: Kernels, scratch: Scratch, w: WasmTensor, rows: number): number {
  const [height, width] = w.shape;
  const isLarge = rows >= leastRows && Math.min(height, width) >= leastSide;
  if (w.dtype !== "f32" || w.precision === "highest" || !isLarge) return 0;
  return scratch.kept(w, k.int16WeightBytes(height, width), (ptr) => k.packInt16(w.ptr, ptr, height, width) === 0);
}

/** Computes a product in 16-bit codes; false where it is to be computed in f32. */
function inIntegers(k: Kernels, scratch: Scratch, w: WasmTensor, product: WeightProduct): boolean {
  const { x, out, rows, from, to, transposed } = product;
  const codes = weightCodes(k, scratch, w, rows);
  if (codes === 0) return false;
  const [height, width] = w.shape;
  const own = scratch(k.int16RowsBytes(rows, from));
  if (k.quantizeInt16(x, own, rows, from, scratch(k.quantizeInt16Scratch(from))) !== 0) return false;
  k.int16Product(own, codes, height, width, transposed ? 1 : 0, out, rows, 0, to, scratch(k.int16ProductScratch()));
  return true;
}
