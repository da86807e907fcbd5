import { type lowRankRows, sizeOf } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import type { InvariantKernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Vectors of a task at most, so that threads share those of one pair. */
const vectorsOfTask = 8;

/** Bytes of a task in the table. */
const taskBytes = 36;

/** Bytes of a line of the cache. */
const lineBytes = 64;

/** Vectors first..first+count-1, which are of pair `pair`, or of none: -1. */
interface Run {
  readonly pair: number;
  readonly first: number;
  readonly count: number;
}

interface Layout {
  /** Rows of the batch, and vectors in each. */
  readonly size: number;
  readonly each: number;
  readonly runs: readonly Run[];
}

type Rows = readonly (readonly number[])[];

/** The runs of frozen lists of rows: all layers of a model have the same. */
const layouts = new WeakMap<Rows, Layout>();

/** Cuts the vectors of a batch of `size` rows, `each` of them a row, into runs. */
function runsOf(rows: Rows, size: number, each: number): readonly Run[] {
  const known = layouts.get(rows);
  if (known && known.size === size && known.each === each) return known.runs;
  const runs: Run[] = [];
  const unnamed = new Set<number>(Array(size).keys());
  for (const list of rows) for (const row of list) unnamed.delete(row);
  pushRuns(runs, -1, [...unnamed], each);
  for (const [pair, list] of rows.entries()) pushRuns(runs, pair, list, each);
  if (Object.isFrozen(rows) && rows.every((list) => Object.isFrozen(list))) layouts.set(rows, { size, each, runs });
  return runs;
}

/** Appends consecutive rows as runs of at most `vectorsOfTask` vectors. */
function pushRuns(runs: Run[], pair: number, rows: readonly number[], each: number): void {
  for (let i = 0; i < rows.length; ) {
    const start = i++;
    while (i < rows.length && rows[i] === rows[i - 1] + 1) i++;
    const end = (rows[i - 1] + 1) * each;
    for (let first = rows[start] * each; first < end; first += vectorsOfTask) {
      runs.push({ pair, first, count: Math.min(vectorsOfTask, end - first) });
    }
  }
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows, InvariantKernels>(
  "lowRankRows",
  (k, inputs, outputs, params, scratch) => {
    const [y, x] = inputs;
    const inFeatures = x.shape[x.shape.length - 1];
    const outFeatures = y.shape[y.shape.length - 1];
    const each = sizeOf(x.shape.slice(1, -1));
    const [out] = outputs;
    const runs = runsOf(params.rows, y.shape[0], each);
    let [rank, widens] = [0, 0];
    for (let i = 2; i < inputs.length; i += 2) {
      rank = Math.max(rank, inputs[i].shape[0]);
      widens |= dtypeNumber(inputs[i]) | dtypeNumber(inputs[i + 1]);
    }
    // Every task has room for the largest, in whole lines of the cache, which threads do not share.
    const room = Math.ceil(k.lowRankRoom(vectorsOfTask, rank, inFeatures, widens) / lineBytes) * lineBytes;
    const table = scratch(taskBytes * runs.length);
    const rooms = scratch(room * runs.length);
    for (let task = 0; task < runs.length; task++) {
      const { pair, first, count } = runs[task];
      if (pair < 0) {
        k.setLowRankTask(table, task, 0, 0, 0, 0, 0, 0, first, count, 0);
        continue;
      }
      const a = inputs[2 + 2 * pair];
      const b = inputs[3 + 2 * pair];
      k.setLowRankTask(
        table,
        task,
        a.ptr,
        b.ptr,
        dtypeNumber(a),
        dtypeNumber(b),
        a.shape[0],
        params.scalings[pair],
        first,
        count,
        rooms + task * room,
      );
    }
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, table, 0, runs.length);
  },
);
