import type { TensorSpec } from "../backend.ts";
import { defineOp, expectDType, type Op } from "../op.ts";
import { unpackAll } from "../quantize/unpackAll.ts";
import { broadcastShapes, broadcastStrides, formatShape, type Shape, sizeOf } from "../shape.ts";
import { sumTo } from "./expand.ts";
import { asMatrix } from "./rows.ts";
import { toDTypeOf } from "./to.ts";
import { expectWeight, weightFormat } from "./weight.ts";

/** Which operands of `matmul` are read with their last two dimensions swapped. */
export interface MatmulParams {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

interface Plan {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: Shape;
}

function plan(a: Shape, b: Shape, { transposeA, transposeB }: MatmulParams): Plan {
  if (a.length < 2 || b.length < 2) {
    throw new Error(`matmul: cannot multiply ${formatShape(a)} by ${formatShape(b)}: both need at least 2 dimensions`);
  }
  const m = a[a.length - (transposeA ? 1 : 2)];
  const k = a[a.length - (transposeA ? 2 : 1)];
  const inner = b[b.length - (transposeB ? 1 : 2)];
  const n = b[b.length - (transposeB ? 2 : 1)];
  if (k !== inner) {
    const flags = `${transposeA ? ", transposeA" : ""}${transposeB ? ", transposeB" : ""}`;
    throw new Error(
      `matmul: cannot multiply ${formatShape(a)} by ${formatShape(b)}${flags}: inner sizes ${k} and ${inner} differ`,
    );
  }
  const flat = a.length === 2 && b.length === 2;
  return { m, n, k, batch: flat ? [] : broadcastShapes("matmul", a.slice(0, -2), b.slice(0, -2)) };
}

/** Calls `run` for each matrix product with element offsets into a, b and out. */
function forEachMatrix(
  a: TensorSpec,
  b: TensorSpec,
  params: MatmulParams,
  run: (aOffset: number, bOffset: number, outOffset: number, plan: Plan) => void,
): void {
  const p = plan(a.shape, b.shape, params);
  const aStrides = broadcastStrides(a.shape.slice(0, -2), p.batch);
  const bStrides = broadcastStrides(b.shape.slice(0, -2), p.batch);
  const count = sizeOf(p.batch);
  for (let i = 0; i < count; i++) {
    let rest = i;
    let ia = 0;
    let ib = 0;
    for (let d = p.batch.length - 1; d >= 0; d--) {
      const at = rest % p.batch[d];
      rest = (rest - at) / p.batch[d];
      ia += at * aStrides[d];
      ib += at * bStrides[d];
    }
    run(ia * p.m * p.k, ib * p.k * p.n, i * p.m * p.n, p);
  }
}

/**
 * Matrix product of [..., M, K] and [..., K, N] with broadcast leading dimensions; the flags read an operand as
 * its transpose without copying it. A b of two dimensions may be a weight in half precision or packed, which is never
 * widened as a whole. The functional `matmul` adds PyTorch's rules for vectors.
 */
export const matmul: Op<2, MatmulParams> = defineOp({
  name: "matmul",
  packed: [1],
  shape: (inputs, params) => {
    expectDType("matmul", inputs, 0, "f32");
    expectWeight("matmul", inputs, 1);
    const [a, b] = inputs;
    if (b.dtype !== "f32" && (b.shape.length !== 2 || params.transposeA)) {
      throw new Error(
        `matmul: ${b.dtype} is for a weight of two dimensions under an operand that is not transposed, not for ${formatShape(b.shape)}${params.transposeA ? " with transposeA" : ""}; cast it with t.to("f32") first`,
      );
    }
    const { batch, m, n } = plan(a.shape, b.shape, params);
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
  wasm: (k, [a, b], [out], params) => {
    const ta = params.transposeA ? 1 : 0;
    const tb = params.transposeB ? 1 : 0;
    if (b.shape.length === 2 && (!ta || a.shape.length === 2)) {
      const { m, n, k: inner } = plan(a.shape, b.shape, params);
      const rows = ta ? m : sizeOf(a.shape.slice(0, -1));
      const [lda, ldb] = [ta ? rows : inner, tb ? inner : n];
      if (b.dtype === "f32") k.gemm(a.ptr, b.ptr, out.ptr, rows, n, inner, lda, ldb, n, ta, tb, 1, 0);
      else k.gemmWeight(a.ptr, b.ptr, weightFormat(b), 0, out.ptr, rows, n, inner, tb, 1, 0);
      return;
    }
    forEachMatrix(a, b, params, (ia, ib, io, p) => {
      const lda = ta ? p.m : p.k;
      const ldb = tb ? p.k : p.n;
      k.gemm(a.ptr + 4 * ia, b.ptr + 4 * ib, out.ptr + 4 * io, p.m, p.n, p.k, lda, ldb, p.n, ta, tb, 1, 0);
    });
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
      // A 2-D b under a batched a: one tall product instead of a sum of small ones.
      if (inputSpecs[1].shape.length === 2 && !transposeA && inputSpecs[0].shape.length > 2) {
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
