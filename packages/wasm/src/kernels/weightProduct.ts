import { productPrecision } from "@lowrank/core/internal";
import { codeBits } from "./codeBits.ts";
import { dtypeNumber } from "./dtypeNumber.ts";
import { chooseNibbleSums, mediumWeightBits } from "./integerTrial.ts";
import type { Scratch, WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";
import type { OnDemandKernels } from "./onDemandKernels.ts";
import { countZeroedRows, hasFewWide, wideSquares } from "./spread.ts";

/** The least rows and sides of a product for which integer codes save more time than they cost. */
const [leastRows, leastSide] = [8, 128];

/** Elements that share a scale in byte codes. */
const byteBlock = 32;

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

/** Computes a product in a kind of codes; returns false if that is not possible. */
export type CodedProduct = (k: Kernels, scratch: Scratch, w: WasmTensor, product: WeightProduct) => boolean;

/** Products with weights of low-bit codes, as they are stored. */
export interface NibbleProducts {
  /** X Wᵀ, along the blocks of the weight. */
  readonly along: CodedProduct;
  /** X W, across the blocks. */
  readonly across: CodedProduct;
  /** The same result as `quantizeInt8` of more than one row in one plane, but faster. */
  readonly inBytes: OnDemandKernels["quantizeBytes"];
  /** The same codes as `quantizeInt8`, in 16-bit words, for products with 6-bit codes. */
  readonly bytesInWords: OnDemandKernels["quantizeBytesInWords"];
}

/** Functions that `nibbleProductsBy` receives. */
export interface NibbleTools {
  readonly sumsInShort: typeof chooseNibbleSums;
  readonly numberOf: typeof dtypeNumber;
  readonly bitsOf: typeof codeBits;
}

export const nibbleTools: NibbleTools = { sumsInShort: chooseNibbleSums, numberOf: dtypeNumber, bitsOf: codeBits };

/** These products, by kernels; they are loaded with the on-demand module. */
export const nibbleProducts: WeakMap<Kernels, NibbleProducts> = new WeakMap();

/** Computes a product with a weight of any dtype, in integers if its precision allows that. */
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

/** True if a weight and rows allow a product in codes that is large enough to be faster. */
export function allowsCodes(w: WasmTensor, rows: number): boolean {
  return w.precision !== "highest" && rows >= leastRows && Math.min(...w.shape) >= leastSide;
}

/** Returns the address of a weight's largest magnitude; 0 if an element is not finite. */
export function largestOf(k: Kernels, scratch: Scratch, w: WasmTensor): number {
  const find = (ptr: number) => k.findLargest(w.ptr, dtypeNumber(w), w.size, ptr, scratch(k.codesScratch())) !== 0;
  return scratch.kept(w, "largest", 4, find);
}

/** 13-bit codes times 14-bit codes. */
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

/** 8-bit codes times 7-bit codes, if that is faster. */
const inBytes: CodedProduct = (k, scratch, w, { x, out, rows, from, to, transposed }) => {
  if (from % byteBlock !== 0) return false;
  if (w.dtype === "f32" && mediumWeightBits(k, scratch) > 8) return false;
  const own = scratch(k.int8RowsBytes(rows, from, 1));
  if (k.codesFit(k.quantizeInt8(x, own, rows, from, 1), largestOf(k, scratch, w), from) === 0) return false;
  k.int8Product(own, panelsOf(k, scratch, w, transposed), out, rows, to, from, 0, to, scratch(k.codesScratch()));
  return true;
};

/** Returns a weight's 7-bit codes for one direction. */
function panelsOf(k: Kernels, scratch: Scratch, w: WasmTensor, transposed: boolean): number {
  const [height, width] = w.shape;
  const [n, inner] = transposed ? [height, width] : [width, height];
  const pack = (ptr: number) =>
    k.packInt8(w.ptr, dtypeNumber(w), height, width, transposed ? 1 : 0, ptr, scratch(k.codesScratch()));
  return scratch.kept(w, transposed ? "7 bits, transposed" : "7 bits", k.int8WeightBytes(n, inner), pack);
}
