import type { TensorSpec } from "../../backends/backend.ts";
import { broadcastShapes, broadcastStrides, formatShape, type Shape, sizeOf } from "../../layout/shape.ts";
import type { MatmulParams } from "./matmul.ts";

/** The sizes of a matrix product: [m, k] times [k, n], for each element of the `batch` shape. */
export interface MatmulPlan {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: Shape;
}

/** Returns the sizes of a product. Throws if the operands do not fit. */
export function matmulPlan(a: Shape, b: Shape, { transposeA, transposeB }: MatmulParams): MatmulPlan {
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

/** Calls `run` for each pair of matrices in the batch, with element offsets into a, b and out. */
export function forEachMatrix(
  a: TensorSpec,
  b: TensorSpec,
  params: MatmulParams,
  run: (aOffset: number, bOffset: number, outOffset: number, plan: MatmulPlan) => void,
): void {
  const p = matmulPlan(a.shape, b.shape, params);
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
