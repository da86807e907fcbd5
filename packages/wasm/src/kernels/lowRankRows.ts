import { type BoundInputs, type lowRankRows, sizeOf } from "@lowrank/core/backend";
import { kernel, type ParamsOf, type WasmKernel, type WasmTensor } from "../kernel.ts";
import type { InvariantKernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Vectors of a task at most, so that threads share those of one pair. */
const vectorsOfTask = 8;

/** Words of a task in the table; the kernel says which. */
const taskWords = 8;

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

type LowRankRowsParams = ParamsOf<typeof lowRankRows>;
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

/** Two factors, as the table of tasks has them. */
interface Factors {
  readonly a: number;
  readonly b: number;
  readonly formatA: number;
  readonly formatB: number;
  readonly rank: number;
}

function factorsOf([a, b]: readonly WasmTensor[]): Factors {
  return { a: a.ptr, b: b.ptr, formatA: dtypeNumber(a), formatB: dtypeNumber(b), rank: a.shape[0] };
}

/** The tasks of a call: the words of their table, and what their rooms must hold. */
interface Tasks {
  readonly size: number;
  readonly each: number;
  readonly table: Int32Array;
  /** The largest rank. */
  readonly rank: number;
  /** Not 0 if some factors are not f32. */
  readonly widens: number;
}

/** The tasks of calls with the same factors. */
const tasksOf = new WeakMap<BoundInputs, Tasks>();

function makeTasks(pairs: readonly Factors[], params: LowRankRowsParams, size: number, each: number): Tasks {
  const runs = runsOf(params.rows, size, each);
  const table = new Int32Array(taskWords * runs.length);
  const numbers = new Float32Array(table.buffer);
  let most = 0;
  let widens = 0;
  for (let task = 0; task < runs.length; task++) {
    const { pair, first, count } = runs[task];
    const at = taskWords * task;
    table[at + 6] = first;
    table[at + 7] = count;
    if (pair < 0) continue;
    const { a, b, formatA, formatB, rank } = pairs[pair];
    table[at] = a;
    table[at + 1] = b;
    table[at + 2] = formatA;
    table[at + 3] = formatB;
    table[at + 4] = rank;
    numbers[at + 5] = params.scalings[pair];
    most = Math.max(most, rank);
    widens |= formatA | formatB;
  }
  return { size, each, table, rank: most, widens };
}

/** Makes the tasks of a call, or finds those of another with the same factors. */
function findTasks(
  inputs: readonly WasmTensor[],
  params: LowRankRowsParams,
  size: number,
  each: number,
  bound: BoundInputs | undefined,
): Tasks {
  if (!bound) {
    const pairs = params.rows.map((_, pair) => factorsOf(inputs.slice(2 + 2 * pair, 4 + 2 * pair)));
    return makeTasks(pairs, params, size, each);
  }
  const known = tasksOf.get(bound);
  if (known && known.size === size && known.each === each) return known;
  const pairs = bound.groups.map(({ found }) => found as Factors);
  const made = makeTasks(pairs, params, size, each);
  tasksOf.set(bound, made);
  return made;
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows, InvariantKernels>(
  "lowRankRows",
  (k, inputs, [out], params, scratch, _op, bound) => {
    const [y, x] = inputs;
    const inFeatures = x.shape[x.shape.length - 1];
    const outFeatures = y.shape[y.shape.length - 1];
    const each = sizeOf(x.shape.slice(1, -1));
    const { table, rank, widens } = findTasks(inputs, params, y.shape[0], each, bound);
    const count = table.length / taskWords;
    // Every task has room for the largest, in whole lines of the cache, which threads do not share.
    const room = Math.ceil(k.lowRankRoom(vectorsOfTask, rank, inFeatures, widens) / lineBytes) * lineBytes;
    const rooms = scratch(room * count);
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, scratch.of(table), rooms, room, 0, count);
  },
  { ofGroup: factorsOf },
);
