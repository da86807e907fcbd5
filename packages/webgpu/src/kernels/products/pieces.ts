import { forEachOuter, isPacked, type Traversal } from "@lowrank/core/backend";
import type { GpuTensor } from "../../kernel/kernel.ts";
import { alignment, bytesOf, bytesSeen, isContiguous, windowOf } from "../../wgsl/window.ts";
import type { Ending } from "./tiled.ts";

/** A matrix product [m, k] by [k, n] to compute, for each pair of matrices of a batch. */
export interface Product {
  readonly a: GpuTensor;
  /** A weight of any dtype. */
  readonly w: GpuTensor;
  readonly out: GpuTensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** True if the operand is stored transposed. Default: false. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** The batch dimensions, with the strides of `a` and `w` counted in whole matrices. Default: one pair of matrices. */
  readonly batch?: Traversal;
  /** The way a sum is stored: as it is ("sum"), times `scale`, or added to the value in memory. Default: "sum". */
  readonly ending?: Ending;
  readonly scale?: number;
  /** Offsets in elements at which the operands and the result begin in their tensors. Default: 0. */
  readonly start?: Starts;
  /** Distance in elements from one row to the next in memory. Default: rows are contiguous. */
  readonly stride?: Starts;
}

/** An offset or stride in elements for each tensor of a product. */
interface Starts {
  readonly a?: number;
  readonly w?: number;
  readonly out?: number;
}

/** Returns the distance in elements from one row to the next, for each tensor of a product. */
export function stridesOf({ m, n, k, transposeA, transposeB, stride = {} }: Product): Required<Starts> {
  return { a: stride.a ?? (transposeA ? m : k), w: stride.w ?? (transposeB ? k : n), out: stride.out ?? n };
}

/** The dimension of a product along which it is cut. */
type Side = "m" | "n" | "k";

/**
 * For each ending (way to store a sum): the ending for the later parts of a sum if a product is cut along k. The first
 * part is stored by the product's own ending. The later parts are added to the value in memory, one after the other.
 */
const addedTo: Record<Ending, Ending> = {
  ...{ sum: "added", added: "added", scaled: "added scaled", "added scaled": "added scaled" },
};

/**
 * Returns the product restricted to a range of one dimension: `count` rows, columns or terms of sums, starting at
 * `from`. `given` has no batch.
 */
function part(given: Product, side: Side, from: number, count: number): Product {
  const { transposeA, transposeB, ending = "sum", start = {} } = given;
  const stride = stridesOf(given);
  const { a = 0, w = 0, out = 0 } = start;
  const moved = {
    m: { a: a + from * (transposeA ? 1 : stride.a), w, out: out + from * stride.out },
    // Columns are cut only if they are rows of w in memory.
    n: { a, w: w + from * stride.w, out: out + from },
    k: { a: a + from * (transposeA ? stride.a : 1), w: w + from * (transposeB ? 1 : stride.w), out },
  }[side];
  const end = side === "k" && from > 0 ? addedTo[ending] : ending;
  return { ...given, [side]: count, start: moved, stride, ending: end };
}

/**
 * Products are cut at multiples of this many rows, if possible. Such a cut falls between tiles, and between the blocks
 * of GGUF formats.
 */
const whole = 128;

/**
 * Returns how many rows fit in `most` bytes, rounded down to a multiple of `whole` if possible; 0 if the product cannot
 * be cut.
 */
function rowsIn(most: number, tensor: GpuTensor, stride: number): number {
  // The bound range is aligned, so it may begin before the first row and end after the last.
  const rows = Math.floor((most - 2 * alignment) / (bytesOf(tensor, whole * stride) / whole));
  if (rows >= whole) return rows - (rows % whole);
  if (isPacked(tensor.dtype)) return 0;
  return rows >= 4 ? rows - (rows % 4) : rows;
}

/**
 * Cuts a product into smaller ones whose tensors a kernel can bind (at most `most` bytes each). Returns the product
 * itself if it fits or cannot be cut.
 */
export function piecesOf(given: Product, most: number): readonly Product[] {
  const { a, w, out, batch, m, n, k, transposeA, transposeB, start = {} } = given;
  if ([a, w, out].every((tensor) => bytesSeen(tensor) <= most)) return [given];
  if (![a, w, out].every(isContiguous)) return [given];
  if (batch) {
    const pieces: Product[] = [];
    forEachOuter({ sizes: [...batch.sizes, 1], strides: batch.strides.map((s) => [...s, 0]) }, 1, (at, [i, j]) => {
      const starts = {
        a: (start.a ?? 0) + i * m * k,
        w: (start.w ?? 0) + j * k * n,
        out: (start.out ?? 0) + at * m * n,
      };
      pieces.push(...piecesOf({ ...given, batch: undefined, start: starts }, most));
    });
    return pieces;
  }
  const stride = stridesOf(given);
  const sides: readonly (readonly [Side, GpuTensor, number])[] = [
    ["m", out, stride.out],
    [transposeA ? "k" : "m", a, stride.a],
    [transposeB ? "n" : "k", w, stride.w],
  ];
  for (const [side, tensor, step] of sides) {
    const rows = rowsIn(most, tensor, step);
    if (rows === 0) return [given];
    if (given[side] <= rows) continue;
    const starts = Array.from({ length: Math.ceil(given[side] / rows) }, (_, i) => i * rows);
    return starts.flatMap((from) => piecesOf(part(given, side, from, Math.min(rows, given[side] - from)), most));
  }
  const lengths = { a: (transposeA ? k : m) * stride.a, w: (transposeB ? n : k) * stride.w, out: m * stride.out };
  const seen = (tensor: GpuTensor, name: keyof Starts) => {
    const from = start[name] ?? 0;
    const all = tensor.size - from;
    return windowOf(tensor, from, [Math.min(lengths[name], all)]);
  };
  const [x, y, z] = [seen(a, "a"), seen(w, "w"), seen(out, "out")];
  const begins = { a: x.start, w: y.start, out: z.start };
  return [{ ...given, a: x.tensor, w: y.tensor, out: z.tensor, start: begins, stride }];
}
