import { unpackAll } from "../../backends/packedFormat.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { sumTo } from "../shapes/expand.ts";
import { asMatrix } from "../shared/rows.ts";
import { toDTypeOf, widen } from "../unary/to.ts";
import { forEachMatrix, matmulPlan } from "./matmulPlan.ts";
import { expectWeight } from "./weight.ts";

/** Options of `matmul`: whether to read an operand with its last two dimensions swapped. */
export interface MatmulParams {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/**
 * Matrix product of [..., M, K] and [..., K, N], whose leading dimensions broadcast. `transposeA` and `transposeB` read
 * an operand as its transpose without copying it. A 2-D b may be a packed weight or in half precision; it is then
 * converted to f32 block by block. The function `matmul` in functional/ also accepts vectors, as in PyTorch.
 */
export const matmul: Op<2, MatmulParams> = defineOp({
  name: "matmul",
  arity: 2,
  packed: [1],
  shape: (inputs, params) => {
    expectDType("matmul", inputs, 0, "f32");
    expectWeight("matmul", inputs, 1);
    const [a, b] = inputs;
    if (b.dtype !== "f32" && (b.shape.length !== 2 || params.transposeA)) {
      throw new Error(
        `matmul: a ${b.dtype} weight must have two dimensions, without transposeA; it is ${formatShape(b.shape)}${params.transposeA ? " with transposeA" : ""}: cast it with t.to("f32") first`,
      );
    }
    const { batch, m, n } = matmulPlan(a.shape, b.shape, params);
    return { shape: [...batch, m, n], dtype: "f32" };
  },
  ref: ([a, b], [out], params) => {
    const { transposeA, transposeB } = params;
    const right = unpackAll(b);
    forEachMatrix(a, b, params, (ia, ib, io, { m, n, k }) => {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let x = 0; x < k; x++) {
            sum += a.data[ia + (transposeA ? x * m + i : i * k + x)] * right[ib + (transposeB ? j * k + x : x * n + j)];
          }
          out.data[io + i * n + j] = sum;
        }
      }
    });
  },
  compose: ([a, b], params) => {
    if (b.dtype === "f32") throw new Error(`matmul: the ${b.storage.backend.name} backend has no kernel for f32`);
    return matmul(a, widen(b), params);
  },
  saves: (needs) => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])] }),
  vjp: ({ grads: [dy], inputs: [a, b], inputSpecs, needs, params: { transposeA, transposeB } }) => {
    let da = null;
    let db = null;
    if (needs[0]) {
      da = transposeA
        ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
        : matmul(dy, b, { transposeB: !transposeB });
      da = sumTo(da, inputSpecs[0].shape);
    }
    if (needs[1]) {
      // For a 2-D b, one tall product replaces a sum of small ones.
      if (inputSpecs[1].shape.length === 2 && !transposeA) {
        const [x, g] = [asMatrix(a), asMatrix(dy)];
        db = transposeB ? matmul(g, x, { transposeA: true }) : matmul(x, g, { transposeA: true });
      } else {
        db = transposeB
          ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
          : matmul(a, dy, { transposeA: !transposeA });
        db = sumTo(db, inputSpecs[1].shape);
      }
    }
    return [da, db && toDTypeOf(db, inputSpecs[1])];
  },
});
