import { fromBytes } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { cat } from "../shapes/cat.ts";
import { indexAdd, indexSelect } from "../shapes/indexSelect.ts";
import { asMatrix } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { toDTypeOf } from "../unary/to.ts";
import { checkLowRank, groupedLowRank, type LowRankRowsParams } from "./checkLowRank.ts";
import { matmul } from "./matmul.ts";

/** Returns the row indices as an i32 tensor on the same backend as `t`. */
function indexOf(t: Tensor, rows: readonly number[]): Tensor {
  return fromBytes(new Uint8Array(Int32Array.from(rows).buffer), [rows.length], "i32", t.storage.backend);
}

const take = (t: Tensor, rows: readonly number[]): Tensor => indexSelect(t, indexOf(t, rows), { dim: 0 });

/**
 * Returns a batch of `size` rows. Row j of parts[i] becomes row `rows[i][j]` of the batch. Rows that are not listed are
 * zero.
 */
function spread(parts: readonly Tensor[], rows: readonly (readonly number[])[], size: number): Tensor {
  return indexAdd(cat(...parts, { dim: 0 }), indexOf(parts[0], rows.flat()), { dim: 0, size });
}

const scaled = (t: Tensor, scale: number): Tensor => affine(t, { scale });

/** Returns x yᵀ. */
const times = (x: Tensor, y: Tensor): Tensor => matmul(x, y, { transposeB: true });

/** Returns aᵀ b, where the leading dimensions of a [..., m] and b [..., n] are flattened into rows: [m, n]. */
const outer = (a: Tensor, b: Tensor): Tensor => matmul(asMatrix(a), asMatrix(b), { transposeA: true });

/**
 * For each pair s, adds scaling_s (x A_sᵀ) B_sᵀ to the rows of y that `rows[s]` lists. Rows are entries along the first
 * dimension; other rows of y are copied. Inputs: y [n, ..., out], x [n, ..., in], A_0 [r_0, in], B_0 [out, r_0], A_1,
 * ... The factors are f32, f16 or bf16. If a backend has a kernel for the op, the bits of a row's result do not depend
 * on the other rows of the batch. Chen et al. 2023, https://arxiv.org/abs/2310.18547
 */
export const lowRankRows: Op<number, LowRankRowsParams> = defineOp({
  name: "lowRankRows",
  arity: [4, Infinity],
  options: { rows: true, scalings: true },
  shape: (inputs, params) => {
    checkLowRank(inputs, params);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  grouped: groupedLowRank,
  inGroups: ([y, x, ...factors], { rows, scalings }, most) =>
    scope(() => {
      const pairs = Math.floor((most - 2) / 2);
      let sum = y;
      for (let s = 0; s < rows.length; s += pairs) {
        const end = s + pairs;
        const some = { rows: rows.slice(s, end), scalings: scalings.slice(s, end) };
        sum = lowRankRows(sum, x, ...factors.slice(2 * s, 2 * end), some);
      }
      return sum;
    }),
  compose: ([y, x, ...factors], { rows, scalings }) => {
    const parts = rows.map((own, s) =>
      times(scaled(times(take(x, own), factors[2 * s]), scalings[s]), factors[2 * s + 1]),
    );
    return add(y, spread(parts, rows, y.shape[0]));
  },
  saves: (needs) => {
    const trains = needs.slice(2).some(Boolean);
    return { inputs: needs.flatMap((_, i) => (i > 1 || (i === 1 && trains) ? [i] : [])) };
  },
  vjp: ({ grads: [dy], inputs, inputSpecs, needs, params: { rows, scalings } }) => {
    const grads: (Tensor | null)[] = needs.map(() => null);
    if (needs[0]) grads[0] = dy;
    const dx: Tensor[] = [];
    for (const [s, own] of rows.entries()) {
      const [at, bt] = [2 + 2 * s, 3 + 2 * s];
      if (!needs[1] && !needs[at] && !needs[bt]) continue;
      const [a, b] = [inputs[at], inputs[bt]];
      const part = scaled(take(dy, own), scalings[s]);
      if (needs[bt]) grads[bt] = toDTypeOf(outer(part, times(take(inputs[1], own), a)), inputSpecs[bt]);
      if (!needs[1] && !needs[at]) continue;
      const low = matmul(part, b, {});
      if (needs[at]) grads[at] = toDTypeOf(outer(low, take(inputs[1], own)), inputSpecs[at]);
      if (needs[1]) dx.push(matmul(low, a, {}));
    }
    if (needs[1]) grads[1] = spread(dx, rows, inputSpecs[1].shape[0]);
    return grads;
  },
});
