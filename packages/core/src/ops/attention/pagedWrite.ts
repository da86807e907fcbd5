import type { TensorSpec } from "../../backends/backend.ts";
import { full, scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { indexAdd } from "../shapes/indexSelect.ts";
import { reshape } from "../shapes/reshape.ts";
import { overwrite } from "../shared/inPlace.ts";
import { inRange } from "../shared/inRange.ts";

function badSlot(slot: number, at: number, [pages, pageSize]: readonly number[]): Error {
  return new Error(
    `pagedWrite: row ${at} goes to slot ${slot}, and ${pages} pages of ${pageSize} have slots 0..${pages * pageSize - 1}`,
  );
}

function check(inputs: readonly TensorSpec[]): void {
  expectDType("pagedWrite", inputs, 0, "f32");
  expectDType("pagedWrite", inputs, 1, "f32");
  expectDType("pagedWrite", inputs, 2, "i32");
  const [pool, rows, slots] = inputs.map(({ shape }) => shape);
  if (pool.length >= 2 && slots.length === 1 && sameShape(rows, [...slots, ...pool.slice(2)])) return;
  throw new Error(
    `pagedWrite: rows ${formatShape(rows)} and slots ${formatShape(slots)} do not fit the pool ${formatShape(pool)}: they must be [N,...] and [N] for a pool [P,S,...]`,
  );
}

/**
 * Writes rows [N, ...] into the paged pool [P, S, ...], in place. Row n goes to page floor(slots[n] / S), at offset
 * slots[n] % S of that page. The slots, i32 [N], must all differ. Throws for a slot out of range.
 */
export const pagedWrite: Op<3, void, 0> = defineOp({
  name: "pagedWrite",
  arity: 3,
  writes: (input) => input === 0,
  shape: (inputs) => {
    check(inputs);
    return [];
  },
  ref: ([pool, rows, slots]) => {
    const [pages, pageSize] = pool.shape;
    for (let n = 0; n < slots.size; n++) {
      const slot = slots.data[n];
      if (slot < 0 || slot >= pages * pageSize) throw badSlot(slot, n, pool.shape);
      const width = rows.size / slots.size;
      pool.data.set(rows.data.subarray(n * width, (n + 1) * width), slot * width);
    }
  },
  compose: ([pool, rows, slots]) => {
    const count = pool.shape[0] * pool.shape[1];
    if (slots.size === 0 || count === 0) return [];
    const error = (slot: number, at: number) => badSlot(slot, at, pool.shape);
    const index = inRange(slots, { low: 0, high: count - 1, error });
    const flat = reshape(rows, { shape: [slots.size, rows.size / slots.size] });
    const added = indexAdd(flat, index, { dim: 0, size: count });
    const ones = full([slots.size, 1], 1, { backend: rows.storage.backend });
    const taken = compare(indexAdd(ones, index, { dim: 0, size: count }), scalarLike(ones, 0), { relation: "gt" });
    const old = reshape(pool, { shape: added.shape });
    return overwrite([pool, reshape(where(taken, added, old), { shape: pool.shape })]);
  },
  fault: (at, slot, [pool]) => badSlot(slot, at, pool.shape),
});
