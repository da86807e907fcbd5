import type { TensorSpec } from "../../backends/backend.ts";
import { arange, full, scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { indexSelect } from "../shapes/indexSelect.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { inRange } from "../shared/inRange.ts";
import { affine } from "../unary/affine.ts";
import { to } from "../unary/to.ts";
import { attentionOp } from "./attention.ts";

/** Options of `pagedAttention`. */
export interface PagedAttentionParams {
  /** Factor by which the products of queries and keys are multiplied. Default 1 / sqrt(D). */
  readonly scale?: number;
  /**
   * Sliding window: each row attends to this many positions, including its own. Default: all positions up to its own.
   */
  readonly window?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap), as in Gemma 2. Default: no cap. */
  readonly softcap?: number;
}

/** The sizes of one call, with defaults filled in. */
export interface PagedGeometry {
  readonly rows: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Number of query heads that share a key head. */
  readonly group: number;
  readonly size: number;
  /** Number of pages in the pool. `pageSize` is the number of positions in a page. */
  readonly pages: number;
  readonly pageSize: number;
  /** Number of page tables, one per sequence. `tablePages` is the number of pages in each table. */
  readonly tables: number;
  readonly tablePages: number;
  readonly scale: number;
  /** Length of the sliding window in positions; 0 if there is none. */
  readonly window: number;
  /** Soft cap of the scores; 0 if there is none. */
  readonly softcap: number;
}

const name = "pagedAttention";

function geometry(inputs: readonly TensorSpec[], params: PagedAttentionParams): PagedGeometry {
  for (let i = 0; i < 3; i++) expectDType(name, inputs, i, "f32");
  for (let i = 3; i < 5; i++) expectDType(name, inputs, i, "i32");
  const [q, keys, values, tables, places] = inputs.map(({ shape }) => shape);
  if (q.length !== 3 || keys.length !== 4 || !sameShape(keys, values) || q[2] !== keys[3]) {
    throw new Error(
      `${name}: q ${formatShape(q)}, keys ${formatShape(keys)} and values ${formatShape(values)} must be [N,H,D], [P,S,Hkv,D] and [P,S,Hkv,D]`,
    );
  }
  const [rows, heads, size] = q;
  const [pages, pageSize, kvHeads] = keys;
  if (!(heads % kvHeads === 0)) {
    throw new Error(`${name}: ${heads} query heads are not a multiple of ${kvHeads} key heads`);
  }
  if (tables.length !== 2 || !sameShape(places, [rows, 2])) {
    throw new Error(
      `${name}: tables ${formatShape(tables)} and rows ${formatShape(places)} must be [R,M] and [${rows},2]; rows holds a sequence and a position for each row of q`,
    );
  }
  const { scale = 1 / Math.sqrt(size), window = 0, softcap = 0 } = params;
  const sizes = { rows, heads, kvHeads, group: heads / kvHeads, size, pages, pageSize };
  return { ...sizes, tables: tables[0], tablePages: tables[1], scale, window, softcap };
}

/**
 * Returns the error for an invalid value. `at` is the value's index in a flattened table [N, 2 + M], which lists for
 * each row its sequence, its position and the M pages of that sequence's page table.
 */
function badEntry(at: number, value: number, { pages, pageSize, tables, tablePages }: PagedGeometry): Error {
  const row = Math.floor(at / (2 + tablePages));
  const entry = at % (2 + tablePages);
  if (entry === 0)
    return new Error(`${name}: row ${row} names sequence ${value}, but there are only ${tables} page tables`);
  if (entry === 1) {
    return new Error(
      `${name}: row ${row} is at position ${value}, and a table of ${tablePages} pages of ${pageSize} reaches 0..${tablePages * pageSize - 1}; make the table longer`,
    );
  }
  return new Error(
    `${name}: row ${row} reads page ${value}, entry ${entry - 2} of its table, and the pool has pages 0..${pages - 1}`,
  );
}

/**
 * Returns a copy of x, an i32 tensor. Throws the error of `badEntry` if a value is not in 0..high. x holds `width`
 * columns of the table [N, 2 + M] that `badEntry` describes, beginning with column `first`.
 */
function checked(x: Tensor, high: number, g: PagedGeometry, first: number, width: number): Tensor {
  const error = (value: number, at: number) => {
    return badEntry(Math.floor(at / width) * (2 + g.tablePages) + first + (at % width), value, g);
  };
  return inRange(x, { low: 0, high, error });
}

/**
 * Computes attention for rows (tokens) of many sequences, q [N, H, D], whose keys and values are stored in pages. The
 * pools of pages are [P, S, Hkv, D]; the result is [N, H, D].
 *
 * - `rows`, i32 [N, 2], holds each row's sequence and position. A row attends to positions 0 to its own.
 * - `tables`, i32 [R, M], holds the page table of each sequence. Position j of sequence r is at offset j % S of page
 *   tables[r][j / S]. Entries that no row reads may have any value.
 *
 * Throws for a sequence, a position or a page out of range. It is for inference only: requesting its gradient throws.
 * Kwon et al. 2023, https://arxiv.org/abs/2309.06180
 */
export const pagedAttention: Op<5, PagedAttentionParams, 1, Planned<PagedAttentionParams, PagedGeometry>> = defineOp({
  name,
  arity: 5,
  options: { scale: true, window: true, softcap: true },
  shape: (inputs, params) => {
    geometry(inputs, params);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([q, k, v, tables, rows], [out], params) => {
    const g = geometry([q, k, v, tables, rows], params);
    const entries = 2 + g.tablePages;
    const inBounds = (n: number, entry: number, value: number, size: number): number => {
      if (value < 0 || value >= size) throw badEntry(n * entries + entry, value, g);
      return value;
    };
    for (let n = 0; n < g.rows; n++) {
      const table = inBounds(n, 0, rows.data[2 * n], g.tables) * g.tablePages;
      const position = inBounds(n, 1, rows.data[2 * n + 1], g.tablePages * g.pageSize);
      const first = g.window > 0 ? Math.max(0, position - g.window + 1) : 0;
      const slots = Array.from({ length: position + 1 - first }, (_, i) => {
        const entry = Math.floor((first + i) / g.pageSize);
        const page = inBounds(n, 2 + entry, tables.data[table + entry], g.pages);
        return page * g.pageSize + ((first + i) % g.pageSize);
      });
      for (let h = 0; h < g.heads; h++) {
        const iq = (n * g.heads + h) * g.size;
        const at = (slot: number) => (slot * g.kvHeads + Math.floor(h / g.group)) * g.size;
        const scores = slots.map((slot) => {
          let sum = 0;
          for (let d = 0; d < g.size; d++) sum += q.data[iq + d] * k.data[at(slot) + d];
          return g.softcap > 0 ? g.softcap * Math.tanh((g.scale * sum) / g.softcap) : g.scale * sum;
        });
        const top = scores.reduce((a, s) => Math.max(a, s), -Infinity);
        const weights = scores.map((s) => Math.exp(s - top));
        const total = weights.reduce((a, w) => a + w, 0);
        for (let d = 0; d < g.size; d++) {
          let sum = 0;
          for (const [i, slot] of slots.entries()) sum += weights[i] * v.data[at(slot) + d];
          out.data[iq + d] = sum / total;
        }
      }
    }
  },
  compose: ([q, k, v, tables, places], params) => {
    const g = geometry([q, k, v, tables, places], params);
    const { rows, pageSize, tablePages, kvHeads, size, window } = g;
    const { backend } = q.storage;
    if (rows === 0) return full(q.shape, 0, { backend });
    const column = (i: number) => reshape(slice(places, { dim: 1, start: i, end: i + 1 }), { shape: [rows] });
    const sequences = checked(column(0), g.tables - 1, g, 0, 1);
    const last = tablePages * pageSize - 1;
    const positions = to(checked(column(1), last, g, 1, 1), { dtype: "f32" });
    const own = reshape(positions, { shape: [rows, 1] });
    // Returns conditions that are true for entries, each of `step` positions, with a position that the row attends to.
    const sees = (entries: number, step: number) => {
      const starts = affine(arange(0, entries, { dtype: "f32", backend }), { scale: step });
      const before = compare(starts, own, { relation: "le" });
      if (window === 0) return [before];
      const end = affine(starts, { shift: step - 1 + window });
      return [before, compare(end, own, { relation: "gt" })];
    };
    const hide = (x: Tensor, conditions: readonly Tensor[]) =>
      conditions.reduce((rest, condition) => where(condition, rest, full([], 0, { dtype: x.dtype, backend })), x);
    const entries = hide(indexSelect(tables, sequences, { dim: 0 }), sees(tablePages, pageSize));
    const read = checked(reshape(entries, { shape: [rows * tablePages] }), g.pages - 1, g, 2, tablePages);
    const gathered = (pool: Tensor) =>
      reshape(indexSelect(pool, read, { dim: 0 }), { shape: [rows, tablePages * pageSize, kvHeads, size] });
    const seen = hide(full([rows, tablePages * pageSize], 1, { backend }), sees(tablePages * pageSize, 1));
    const mask = to(reshape(seen, { shape: [rows, 1, 1, tablePages * pageSize] }), { dtype: "bool" });
    // Hidden values may be NaN, which a weight of 0 would not remove.
    const visible = reshape(mask, { shape: [rows, tablePages * pageSize, 1, 1] });
    const values = where(visible, gathered(v), scalarLike(v, 0));
    const query = reshape(q, { shape: [rows, 1, g.heads, size] });
    const { scale, softcap } = g;
    const [out] = attentionOp(query, gathered(k), values, mask, { scale, softcap });
    return reshape(out, { shape: q.shape });
  },
  plan: (inputs, _outputs, params) => geometry(inputs, params),
  fault: (at, value, inputs, params) => badEntry(at, value, geometry(inputs, params)),
  vjp: () => {
    throw new Error(`${name}: this op has no gradient; for training use the op attention`);
  },
});
