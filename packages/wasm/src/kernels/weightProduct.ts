import { productPrecision } from "@lowrank/core/internal";
import { codeBits, dtypeNumber, type Scratch, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";
import type { OnDemandKernels } from "./onDemandKernels.ts";
import { countZeroedRows, hasFewWide, wideSquares } from "./spread.ts";
import { chooseNibbleSums, mediumWeightBits } from "./trials.ts";

/**
 * The minimum number of rows of X, and the minimum number of rows and columns of the weight, for which integer codes
 * are faster than f32.
 */
const [leastRows, leastSide] = [8, 128];

/** Number of consecutive elements that share one scale in 8-bit codes. */
const byteBlock = 32;

/** A matrix product out[rows, to] = X[rows, from] W. W is stored as [from, to], or as [to, from] if `transposed`. */
interface WeightProduct {
  /** Addresses of X and of the result. */
  readonly x: number;
  readonly out: number;
  readonly rows: number;
  readonly from: number;
  readonly to: number;
  readonly transposed: boolean;
}

/** Computes a product with integer codes. Returns false, and computes nothing, if this kind of codes cannot be used. */
export type CodedProduct = (k: Kernels, scratch: Scratch, w: WasmTensor, product: WeightProduct) => boolean;

/** Products that use the 4- to 6-bit codes of a GGUF weight directly, without converting the weight to f32. */
export interface NibbleProducts {
  /** Computes X Wᵀ. All elements of W that share a scale belong to the same sum. */
  readonly along: CodedProduct;
  /** Computes X W. The elements of W that share a scale belong to different sums. */
  readonly across: CodedProduct;
  /**
   * Quantises rows to the codes of `quantizeInt8`, stored as one signed byte per code. Is faster than `quantizeInt8`
   * for several rows.
   */
  readonly inBytes: OnDemandKernels["quantizeBytes"];
  /**
   * Quantises rows to the codes of `quantizeInt8`, but stores each code as a 16-bit word. Products with weights of
   * 6-bit codes require this layout.
   */
  readonly bytesInWords: OnDemandKernels["quantizeBytesInWords"];
}

/** Functions that `nibbleProductsBy` receives. */
export interface NibbleTools {
  readonly sumsInShort: typeof chooseNibbleSums;
  readonly numberOf: typeof dtypeNumber;
  readonly bitsOf: typeof codeBits;
}

export const nibbleTools: NibbleTools = { sumsInShort: chooseNibbleSums, numberOf: dtypeNumber, bitsOf: codeBits };

/**
 * For each backend, the products that use stored codes. A backend gets its entry when its on-demand module is loaded.
 */
export const nibbleProducts: WeakMap<Kernels, NibbleProducts> = new WeakMap();

/** Computes a matrix product with a weight of any dtype. Uses integer codes if the weight's precision allows that. */
export function weightProduct(k: Kernels, scratch: Scratch, w: WasmTensor, product: WeightProduct): void {
  const { x, out, rows, from, to, transposed } = product;
  if (allowsCodes(w, rows)) {
    const stored = codeBits(w.dtype) % 8 !== 0 && k.hasByteProducts() !== 0 ? nibbleProducts.get(k) : undefined;
    const medium = transposed ? [inBytes] : [stored?.across, inBytes];
    const ways = [
      ...(productPrecision(w.precision) === "medium" ? medium : []),
      transposed ? stored?.along : undefined,
      w.dtype === "f32" ? inShorts : undefined,
    ].filter((way) => way !== undefined);
    if (ways.length > 0 && largestOf(k, scratch, w) !== 0 && ways.some((way) => way(k, scratch, w, product))) return;
  }
  const t = transposed ? 1 : 0;
  if (w.dtype !== "f32") k.gemmWeight(x, w.ptr, dtypeNumber(w), 0, out, rows, to, from, t, 1, 0);
  else k.gemm(x, w.ptr, out, rows, to, from, from, transposed ? from : to, to, 0, t, 1, 0);
}

/**
 * Returns true if the weight's precision allows integer codes and the product is large enough to be faster with them.
 */
export function allowsCodes(w: WasmTensor, rows: number): boolean {
  return w.precision !== "highest" && rows >= leastRows && Math.min(...w.shape) >= leastSide;
}

/** Returns the address of the largest magnitude in the weight, or 0 if the weight has a NaN or an infinity. */
export function largestOf(k: Kernels, scratch: Scratch, w: WasmTensor): number {
  const find = (ptr: number) => k.findLargest(w.ptr, dtypeNumber(w), w.size, ptr, scratch(k.codesScratch())) !== 0;
  return scratch.kept(w, "largest", 4, find);
}

/** Product of 13-bit codes of X and 14-bit codes of the weight. */
const inShorts: CodedProduct = (k, scratch, w, { x, out, rows, from, to, transposed }) => {
  const [height, width] = w.shape;
  const own = scratch(k.int16RowsBytes(rows, from));
  const wide = wideSquares(k, scratch, w);
  if (wide !== 0 && !hasFewWide(k, scratch, w)) return false;
  if (k.codesFit(k.quantizeInt16(x, own, rows, from), largestOf(k, scratch, w), from) === 0) return false;
  const pack = (ptr: number) => {
    countZeroedRows(k, w, x, rows, from);
    k.packInt16(w.ptr, ptr, height, width, wide);
  };
  const codes = scratch.kept(w, "14 bits", k.int16WeightBytes(height, width), pack);
  const work = scratch(k.codesScratch());
  k.int16Product(own, codes, height, width, transposed ? 1 : 0, out, rows, 0, to, work, wide, x, w.ptr);
  return true;
};

/**
 * Product of 8-bit codes of X and 7-bit codes of the weight. Returns false if a trial found that this is not faster.
 */
const inBytes: CodedProduct = (k, scratch, w, { x, out, rows, from, to, transposed }) => {
  if (from % byteBlock !== 0) return false;
  if (w.dtype === "f32" && mediumWeightBits(k, scratch) === 14) return false;
  const own = scratch(k.int8RowsBytes(rows, from, 1));
  if (k.codesFit(k.quantizeInt8(x, own, rows, from, 1), largestOf(k, scratch, w), from) === 0) return false;
  k.int8Product(own, panelsOf(k, scratch, w, transposed), out, rows, to, from, 0, to, scratch(k.codesScratch()));
  return true;
};

/** Returns the address of the weight's 7-bit codes, packed for X W or, if `transposed`, for X Wᵀ. */
function panelsOf(k: Kernels, scratch: Scratch, w: WasmTensor, transposed: boolean): number {
  const [height, width] = w.shape;
  const [n, inner] = transposed ? [height, width] : [width, height];
  const pack = (ptr: number) =>
    k.packInt8(w.ptr, dtypeNumber(w), height, width, transposed ? 1 : 0, ptr, scratch(k.codesScratch()));
  return scratch.kept(w, transposed ? "7 bits, transposed" : "7 bits", k.int8WeightBytes(n, inner), pack);
}
