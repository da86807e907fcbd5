import type { lowRankRows } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import type { InvariantKernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Vectors of a task at most, so that threads share those of one pair. */
const vectorsOfTask = 8;

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

/** The rows that no list names. */
function rowsWithout(lists: readonly (readonly number[])[], count: number): number[] {
  const named = new Uint8Array(count);
  for (const rows of lists) for (const row of rows) named[row] = 1;
  return Array.from(named.keys()).filter((row) => named[row] === 0);
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows, InvariantKernels>(
  "lowRankRows",
  (k, inputs, outputs, params, scratch, { plan }) => {
    const { inFeatures, outFeatures, each, ranks } = plan(inputs, outputs, params);
    const [y, x, ...factors] = inputs;
    const [out] = outputs;
    const copied = runsOf(rowsWithout(params.rows, y.shape[0]), each);
    const runs = params.rows.map((rows, s) => (ranks[s] === 0 ? [] : runsOf(rows, each)));
    const unranked = params.rows.flatMap((rows, s) => (ranks[s] === 0 ? runsOf(rows, each) : []));
    const tasks = runs.reduce((sum, { length }) => sum + length, copied.length + unranked.length);
    const table = scratch(taskBytes * tasks);
    let task = 0;
    for (const { first, count } of [...copied, ...unranked]) {
      k.setLowRankTask(table, task++, 0, 0, 0, 0, 0, 0, first, count, 0);
    }
    for (const [s, own] of runs.entries()) {
      const [a, b] = [factors[2 * s], factors[2 * s + 1]];
      const [formatA, formatB] = [dtypeNumber(a), dtypeNumber(b)];
      for (const { first, count } of own) {
        const room = scratch(k.lowRankRoom(count, ranks[s], inFeatures, formatA | formatB));
        k.setLowRankTask(
          table,
          task++,
          a.ptr,
          b.ptr,
          formatA,
          formatB,
          ranks[s],
          params.scalings[s],
          first,
          count,
          room,
        );
      }
    }
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, table, 0, tasks);
  },
);
