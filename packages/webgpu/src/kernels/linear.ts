import {
  collapse,
  isPacked,
  type loraOp,
  type lowRankRows,
  type matmul,
  matmulPlan,
  sizeOf,
  type TensorSpec,
} from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";
import { f32 } from "../selfCheck/shrink.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import type { Product } from "./products/pieces.ts";
import { product } from "./products/product.ts";

/** Returns the sizes m, n and k of a matrix product of two tensors, and the batch dimensions. */
export function productOf(
  a: TensorSpec,
  w: TensorSpec,
  params: { transposeA?: boolean; transposeB?: boolean },
): Pick<Product, "m" | "n" | "k" | "batch" | "transposeA" | "transposeB"> {
  const { m, n, k, batch } = matmulPlan(a.shape, w.shape, params);
  // A batch with one shared weight is computed as one tall product.
  if (!params.transposeA && w.shape.length === 2) return { ...params, m: m * sizeOf(batch), n, k };
  const leads = [a, w].map(({ shape }) => shape.slice(0, -2));
  return { ...params, m, n, k, batch: collapse(batch, leads) };
}

export const matmulKernel: WebGpuKernel = kernel<typeof matmul>(
  "matmul",
  ([a, w], [out], params, gpu) => {
    return product({ ...productOf(a, w, params), a, w, out }, gpu);
  },
  {
    // Only products with packed weights are checked, since other products have no composition to fall back to.
    example: ([a, w], params) => {
      if (!isPacked(w.dtype)) return undefined;
      // The left operand of a packed weight is not transposed.
      const m = a.shape[a.shape.length - 2] > 1 ? 3 : 1;
      const [n, k] = [64, 128];
      return { inputs: [f32(m, k), { ...w, shape: params.transposeB ? [n, k] : [k, n] }], params };
    },
  },
);

/** Computes x Wᵀ and adds the low-rank product to it in place, so that only one [rows, n] result is in memory. */
export const loraOpKernel: WebGpuKernel = kernel<typeof loraOp>(
  "loraLinear",
  (inputs, [out, low], params, gpu, { plan }) => {
    const { rows: m, from: k, to: n, rank, down, up } = plan(inputs, [out, low], params);
    const [x, w] = inputs;
    const shared = { m, transposeB: !params.transposed };
    const scaled = { ending: "scaled", scale: params.scaling } as const;
    return [
      ...product({ ...shared, a: x, w: inputs[down], out: low, n: rank, k, ...scaled }, gpu),
      ...product({ ...shared, a: x, w, out, n, k }, gpu),
      ...product({ ...shared, a: low, w: inputs[up], out, n, k: rank, ending: "added" }, gpu),
    ];
  },
  {
    example: ([x, w, a], params) => {
      const [to, from, rank] = [64, 128, Math.min(a.shape[0], 16)];
      const rows = sizeOf(x.shape.slice(0, -1)) > 1 ? 3 : 1;
      const factors = [f32(rank, from), f32(to, rank)];
      return { inputs: [f32(rows, params.transposed ? to : from), { ...w, shape: [to, from] }, ...factors], params };
    },
  },
);

const copied = elements({ name: "lowRankRows", inputs: { y: "word" }, out: "word", element: "return load_y(i);" });

/** Groups a list of row indices into runs of consecutive indices, as [first, count]. */
function runsOf(rows: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const row of rows) {
    const last = runs[runs.length - 1];
    if (last && last[0] + last[1] === row) last[1]++;
    else runs.push([row, 1]);
  }
  return runs;
}

/** Computes each run of consecutive rows that use the same factors by two matrix products; the second is added to y. */
export const lowRankRowsKernel: WebGpuKernel = kernel<typeof lowRankRows>(
  "lowRankRows",
  ([y, x, ...factors], [out], { rows, scalings }, gpu) => {
    const [k, n] = [x, y].map(({ shape }) => shape[shape.length - 1]);
    const vectors = sizeOf(x.shape.slice(1, -1));
    const runs: Dispatch[] = [copied.dispatch({ y, out }, { size: out.size }, elementGroups("word", out.size))];
    for (const [s, list] of rows.entries()) {
      const [a, b] = [factors[2 * s], factors[2 * s + 1]];
      const [rank] = a.shape;
      for (const [first, count] of runsOf(list)) {
        const [m, start] = [count * vectors, first * vectors];
        const low = gpu.scratch({ shape: [m, rank], dtype: "f32" });
        const down = { a: x, w: a, out: low, m, n: rank, k, transposeB: true, start: { a: start * k } };
        const up = { a: low, w: b, out, m, n, k: rank, transposeB: true, start: { out: start * n } };
        runs.push(...product({ ...down, ending: "scaled", scale: scalings[s] }, gpu));
        runs.push(...product({ ...up, ending: "added" }, gpu));
      }
    }
    return runs;
  },
  {
    example: ([, x, ...factors], { scalings }) => {
      const [from, to] = [32, 24];
      const batch = (count: number, width: number) => f32(count, ...(x.shape.length > 2 ? [2] : []), width);
      const few = factors.slice(0, 4).map((factor, i) => {
        const rank = Math.min(factor.shape[i % 2], 16);
        return { ...factor, shape: i % 2 === 0 ? [rank, from] : [to, rank] };
      });
      const rows = [[0, 1], [3]].slice(0, few.length / 2);
      return {
        inputs: [batch(4, to), batch(4, from), ...few],
        params: { rows, scalings: scalings.slice(0, rows.length) },
      };
    },
  },
);
