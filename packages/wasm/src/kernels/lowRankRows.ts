import type { lowRankRows } from "@lowrank/core/backend";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Vectors of a task at most, so that threads share those of one pair. */
const vectorsOfTask = 8;

/** Vectors of a pair from which on its f16 factors are widened once, not with each vector. */
const vectorsToWiden = 3;

/** Bytes of a task in the table. */
const taskBytes = 36;

interface Run {
  readonly first: number;
  readonly count: number;
}

/** Consecutive rows as runs of vectors, `each` of them a row, of at most `vectorsOfTask`. */
function runsOf(rows: readonly number[], each: number): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < rows.length; ) {
    const start = i++;
    while (i < rows.length && rows[i] === rows[i - 1] + 1) i++;
    const end = (rows[i - 1] + 1) * each;
    for (let first = rows[start] * each; first < end; first += vectorsOfTask) {
      runs.push({ first, count: Math.min(vectorsOfTask, end - first) });
    }
  }
  return runs;
}

/** A factor as the kernel reads it: a half widened where many vectors meet it. */
function factor(k: Kernels, t: WasmTensor, vectors: number, scratch: Scratch): { ptr: number; format: number } {
  const format = dtypeNumber(t);
  if (format === 0 || vectors < vectorsToWiden) return { ptr: t.ptr, format };
  const ptr = scratch(4 * t.size);
  k.cast(t.ptr, ptr, t.size, format, 0);
  return { ptr, format: 0 };
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows>(
  "lowRankRows",
  (k, inputs, outputs, params, scratch, { plan }) => {
    const { inFeatures, outFeatures, each, ranks } = plan(inputs, outputs, params);
    const [y, x] = inputs;
    const [out] = outputs;
    const others = new Set(Array.from({ length: y.shape[0] }, (_, row) => row));
    for (const rows of params.rows) for (const row of rows) others.delete(row);
    const runs = [...params.rows, [...others]].map((rows) => runsOf(rows, each));
    const tasks = runs.reduce((sum, { length }) => sum + length, 0);
    if (tasks === 0 || outFeatures === 0) return;
    const table = scratch(taskBytes * tasks);
    let task = 0;
    for (const [s, own] of runs.entries()) {
      if (own.length === 0) continue;
      const rank = ranks[s] ?? 0;
      const vectors = own.reduce((sum, { count }) => sum + count, 0);
      const none = { ptr: 0, format: 0 };
      const [a, b] = rank === 0 ? [none, none] : [2, 3].map((i) => factor(k, inputs[i + 2 * s], vectors, scratch));
      let low = rank === 0 ? 0 : scratch(4 * rank * vectors);
      for (const { first, count } of own) {
        const scaling = params.scalings[s] ?? 0;
        k.setLowRankTask(table, task++, a.ptr, b.ptr, a.format, b.format, rank, scaling, first, count, low);
        low += 4 * rank * count;
      }
    }
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, table, 0, tasks);
  },
);
