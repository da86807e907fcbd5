import { type lowRankRows, sizeOf } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";
import { f32 } from "../selfCheck/shrink.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import { product } from "./products/product.ts";

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
