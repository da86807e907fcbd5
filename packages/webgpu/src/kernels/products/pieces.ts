import { forEachOuter, isPacked, type Traversal } from "@lowrank/core/backend";
import type { GpuTensor } from "../../kernel/kernel.ts";
import { alignment, bytesOf, bytesSeen, isContiguous, windowOf } from "../../wgsl/window.ts";
import type { Ending } from "./tiled.ts";

/** A product [m, k] by [k, n] to run, for each matrix of a batch. */
export interface Product {
  readonly a: GpuTensor;
  /** A weight of any storage. */
  readonly w: GpuTensor;
  readonly out: GpuTensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** True if an operand lies as its transpose. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** The batch, with the strides of `a` and `w` in matrices. Default: one matrix. */
  readonly batch?: Traversal;
  /** Default "sum". */
  readonly ending?: Ending;
  readonly scale?: number;
  /** The elements of the tensors from which on they are used: whole rows behind the first. */
  readonly start?: Starts;
  /** The elements from row to row in memory. Default: rows lie side by side. */
  readonly stride?: Starts;
}

/** Numbers of elements in the tensors of a product. */
interface Starts {
  readonly a?: number;
  readonly w?: number;
  readonly out?: number;
}

/** Returns the elements from row to row of a product's tensors. */
export function stridesOf({ m, n, k, transposeA, transposeB, stride = {} }: Product): Required<Starts> {
  return { a: stride.a ?? (transposeA ? m : k), w: stride.w ?? (transposeB ? k : n), out: stride.out ?? n };
}

/** A dimension of a product along which it can be cut, and where a tensor's cuts are its rows. */
type Side = "m" | "n" | "k";

/** The ending of the second and later pieces of sums. */
const addedTo: Record<Ending, Ending> = {
  ...{ sum: "added", added: "added", scaled: "added scaled", "added scaled": "added scaled" },
};

/** Takes the terms, rows or columns from `from` on of a product of one matrix. */
function part(given: Product, side: Side, from: number, count: number): Product {
  const { transposeA, transposeB, ending = "sum", start = {} } = given;
  const stride = stridesOf(given);
  const { a = 0, w = 0, out = 0 } = start;
  const moved = {
    m: { a: a + from * (transposeA ? 1 : stride.a), w, out: out + from * stride.out },
    n: { a, w: w + from * (transposeB ? stride.w : 1), out: out + from },
    k: { a: a + from * (transposeA ? stride.a : 1), w: w + from * (transposeB ? 1 : stride.w), out },
  }[side];
  const end = side === "k" && from > 0 ? addedTo[ending] : ending;
  return { ...given, [side]: count, start: moved, stride, ending: end };
}

/** Rows of tiles, by which pieces are cut; blocks of GGUF then begin where a view may. */
const whole = 128;

/** Returns as many rows as fit in the bytes of a view, in whole tiles; 0 where none do. */
function rowsIn(most: number, tensor: GpuTensor, stride: number): number {
  // A view may have to begin earlier, and end later.
  const rows = Math.floor((most - 2 * alignment) / (bytesOf(tensor, whole * stride) / whole));
  if (rows >= whole) return rows - (rows % whole);
  if (isPacked(tensor.dtype)) return 0;
  return rows >= 4 ? rows - (rows % 4) : rows;
}

/**
 * Cuts a product into ones whose tensors a kernel can see, of at most as many bytes. One that
 * cannot be cut stays as it is.
 */
export function piecesOf(given: Product, most: number): readonly Product[] {
  const { a, w, out, batch, m, n, k, transposeA, transposeB, start = {} } = given;
  if ([a, w, out].every((tensor) => bytesSeen(tensor) <= most)) return [given];
  if (![a, w, out].every(isContiguous)) return [given];
  if (batch && batch.sizes.length > 0) {
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
