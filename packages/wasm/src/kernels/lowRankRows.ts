import { type BoundInputs, type lowRankRows, sizeOf } from "@lowrank/core/backend";
import { kernel, type ParamsOf, type WasmKernel, type WasmTensor } from "../kernel.ts";
import type { InvariantKernels } from "../kernelTypes.gen.ts";
import { dtypeNumber } from "./dtypeNumber.ts";

/** Vectors of a task at most, so that threads share those of one pair. */
const vectorsOfTask = 8;

/** Words of a pair of factors and of a task; the kernel says which. */
const [pairWords, taskWords] = [6, 3];

/** Bytes of a line of the cache. */
const lineBytes = 64;

/** Vectors first..first+count-1, which are of pair `pair`, or of none: -1. */
interface Run {
  readonly pair: number;
  readonly first: number;
  readonly count: number;
}

/** The tasks of a batch. */
interface Layout {
  /** Rows of the batch, and vectors in each. */
  readonly size: number;
  readonly each: number;
  readonly tasks: Int32Array;
}

type LowRankRowsParams = ParamsOf<typeof lowRankRows>;
type Rows = readonly (readonly number[])[];

/** The tasks of frozen lists of rows: all layers of a model have the same. */
const layouts = new WeakMap<Rows, Layout>();

/** Cuts the vectors of a batch of `size` rows, `each` of them a row, into tasks. */
function tasksOf(rows: Rows, size: number, each: number): Int32Array {
  const known = layouts.get(rows);
  if (known && known.size === size && known.each === each) return known.tasks;
  const runs: Run[] = [];
  const unnamed = new Set<number>(Array(size).keys());
  for (const list of rows) for (const row of list) unnamed.delete(row);
  pushRuns(runs, -1, [...unnamed], each);
  for (const [pair, list] of rows.entries()) pushRuns(runs, pair, list, each);
  const tasks = Int32Array.from(runs.flatMap(({ pair, first, count }) => [pair, first, count]));
  if (Object.isFrozen(rows) && rows.every((list) => Object.isFrozen(list))) layouts.set(rows, { size, each, tasks });
  return tasks;
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

/** Two factors, as the table of pairs has them. */
interface Factors {
  readonly a: number;
  readonly b: number;
  readonly kindA: number;
  readonly kindB: number;
  readonly rank: number;
  /** Not 0 if one of them is not f32. */
  readonly widens: number;
}

function factorsOf(k: InvariantKernels, [a, b]: readonly WasmTensor[]): Factors {
  const kindOf = (factor: WasmTensor) => k.factorKind(dtypeNumber(factor), factor.ptr, ...sizesOf(factor));
  return {
    ...{ a: a.ptr, b: b.ptr, kindA: kindOf(a), kindB: kindOf(b), rank: a.shape[0] },
    widens: a.dtype === "f32" && b.dtype === "f32" ? 0 : 1,
  };
}

const sizesOf = ({ shape }: WasmTensor): [number, number] => [shape[0], shape[1]];

/** The pairs of calls: the words of their table, and what the rooms of tasks must hold. */
interface Pairs {
  readonly scalings: readonly number[];
  readonly table: Int32Array;
  /** The largest rank. */
  readonly rank: number;
  /** Not 0 if some factors are not f32. */
  readonly widens: number;
}

function makePairs(pairs: readonly Factors[], scalings: readonly number[]): Pairs {
  const table = new Int32Array(pairWords * pairs.length);
  const numbers = new Float32Array(table.buffer);
  let most = 0;
  let any = 0;
  for (let pair = 0; pair < pairs.length; pair++) {
    const { a, b, kindA, kindB, rank, widens } = pairs[pair];
    const at = pairWords * pair;
    table[at] = a;
    table[at + 1] = b;
    table[at + 2] = kindA;
    table[at + 3] = kindB;
    table[at + 4] = rank;
    numbers[at + 5] = scalings[pair];
    most = Math.max(most, rank);
    any |= widens;
  }
  return { scalings, table, rank: most, widens: any };
}

/** The pairs of calls with the same factors. */
const pairsOf = new WeakMap<BoundInputs, Pairs>();

/** Makes the pairs of a call, or finds those of another with the same factors and scalings. */
function findPairs(
  k: InvariantKernels,
  inputs: readonly WasmTensor[],
  { rows, scalings }: LowRankRowsParams,
  bound: BoundInputs | undefined,
): Pairs {
  if (!bound) {
    return makePairs(
      rows.map((_, pair) => factorsOf(k, inputs.slice(2 + 2 * pair, 4 + 2 * pair))),
      scalings,
    );
  }
  const known = pairsOf.get(bound);
  if (known?.scalings === scalings) return known;
  const made = makePairs(
    bound.groups.map(({ found }) => found as Factors),
    scalings,
  );
  pairsOf.set(bound, made);
  return made;
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows, InvariantKernels>(
  "lowRankRows",
  (k, inputs, [out], params, scratch, _op, bound) => {
    const [y, x] = inputs;
    const inFeatures = x.shape[x.shape.length - 1];
    const outFeatures = y.shape[y.shape.length - 1];
    const { table, rank, widens } = findPairs(k, inputs, params, bound);
    const tasks = tasksOf(params.rows, y.shape[0], sizeOf(x.shape.slice(1, -1)));
    const count = tasks.length / taskWords;
    // Every task has room for the largest, in whole lines of the cache, which threads do not share.
    const room = Math.ceil(k.lowRankRoom(vectorsOfTask, rank, inFeatures, widens) / lineBytes) * lineBytes;
    const rooms = scratch(room * count);
    const [pairs, runs] = [scratch.of(table), scratch.of(tasks)];
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, pairs, runs, rooms, room, 0, count);
  },
  { ofGroup: factorsOf },
);
