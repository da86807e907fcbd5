import { full, scalarLike } from "../../creation/create.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { compare } from "../binary/compare.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { where } from "../binary/where.ts";
import { amax } from "../reductions/amax.ts";
import { cat } from "../shapes/cat.ts";
import { indexSelect } from "../shapes/indexSelect.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { fromBlocks, inBlocks, rowSum } from "../shared/rows.ts";
import { abs } from "../unary/abs.ts";
import { affine } from "../unary/affine.ts";
import { reciprocal } from "../unary/reciprocal.ts";
import { to } from "../unary/to.ts";

/**
 * Maximum number of values to encode at a time. Each value is compared with all 256 codes, which takes 256 times the
 * memory of the values.
 */
const chunk = 1 << 14;

/**
 * Rounds x to bitsandbytes' grid, like `onGrid` of `packed/blockwise/eightBit.ts`, but computed from ops. Both
 * functions round to f32 after the same operations, so their results are identical.
 */
function onGrid(x: Tensor): Tensor {
  const at = affine(affine(affine(x, { shift: 1 }), { scale: 32767.5 }), { shift: 0.5 });
  const whole = to(to(at, { dtype: "i32" }), { dtype: "f32" });
  return affine(affine(whole, { scale: Math.fround(2 / 65535) }), { shift: -1 });
}

/** Returns the entries of a table at the given positions (as f32), in the shape of the positions. */
function lookUp(table: Tensor, positions: Tensor): Tensor {
  const flat = reshape(to(positions, { dtype: "i32" }), { shape: [positions.size] });
  return reshape(indexSelect(table, flat, { dim: 0 }), { shape: positions.shape });
}

/** Returns, for each value in x [n, 1], the position (as f32) of the nearest entry in an ascending table [256]. */
function nearest(x: Tensor, table: Tensor): Tensor {
  const last = full([1], Infinity, { backend: x.storage.backend });
  const above = cat(slice(table, { start: 1 }), last, { dim: 0 });
  const at = rowSum(to(compare(x, slice(table, { start: 1 }), { relation: "ge" }), { dtype: "f32" }));
  const [down, up] = [sub(x, lookUp(table, at)), sub(lookUp(above, at), x)];
  return add(at, to(compare(abs(up), abs(down), { relation: "lt" }), { dtype: "f32" }));
}

/**
 * Encodes blocks [n, blockSize] as u8 codes of the same shape. If `grid` is true, scaled values are first rounded to
 * bitsandbytes' grid. A block with scale 0 holds only zeros and gets codes 0.
 */
function encodeChunk(values: Tensor, scales: Tensor, table: Tensor, grid: boolean): Tensor {
  const scaled = mul(values, reciprocal(scales));
  const column = reshape(grid ? onGrid(scaled) : scaled, { shape: [values.size, 1] });
  const codes = reshape(nearest(column, table), { shape: values.shape });
  const zero = scalarLike(values, 0);
  return to(where(compare(scales, zero, { relation: "eq" }), zero, codes), { dtype: "u8" });
}

/**
 * Quantises x in blocks of `blockSize`. Returns the u8 codes in x's shape (positions in an ascending table of 256
 * entries) and the scales [blocks], which are the blocks' largest magnitudes. If `grid` is true, scaled values are
 * first rounded to bitsandbytes' grid.
 */
export function encodeInBlocks(
  x: Tensor,
  table: Tensor,
  blockSize: number,
  grid: boolean,
): { codes: Tensor; scales: Tensor } {
  const values = inBlocks(x, blockSize);
  const [blocks] = values.shape;
  const scales = amax(abs(values), { shape: [blocks, 1] });
  const step = Math.max(1, Math.floor(chunk / blockSize));
  const parts: Tensor[] = [];
  let end = 0;
  do {
    const range = { start: end, end: end + step };
    parts.push(encodeChunk(slice(values, range), slice(scales, range), table, grid));
    end += step;
  } while (end < blocks);
  return { codes: fromBlocks(cat(...parts, { dim: 0 }), x.shape), scales: reshape(scales, { shape: [blocks] }) };
}

/** Dequantises u8 codes: returns the table's entry for each code times the scale of the code's block. */
export function decodeInBlocks(codes: Tensor, scales: Tensor, table: Tensor, blockSize: number): Tensor {
  const values = inBlocks(lookUp(table, codes), blockSize);
  return fromBlocks(mul(values, reshape(scales, { shape: [values.shape[0], 1] })), codes.shape);
}
