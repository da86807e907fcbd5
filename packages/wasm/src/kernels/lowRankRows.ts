import { type lowRankRows, sizeOf } from "@lowrank/core/backend";
import { type BoundGroups, dtypeNumber, type GroupWords, kernel, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { InvariantKernels } from "./kernelTypes.gen.ts";

/**
 * Maximum number of vectors (rows of x) in a task, the work that a thread takes at a time. Smaller tasks let several
 * threads work for the same adapter.
 */
const vectorsOfTask = 8;

/**
 * Number of 32-bit words that describe a pair of factors (A, B), and number of words that describe a task. See
 * assembly/gemm/lowRankRows.ts.
 */
const [pairWords, taskWords] = [6, 3];

/** Bytes of a cache line. */
const lineBytes = 64;

/**
 * The tasks for a batch of `size` rows (such as sequences) with `each` vectors (such as tokens) per row. A task is a
 * range of vectors that use the same pair of factors.
 */
interface Layout {
  /** Number of rows of the batch. `each` is the number of vectors in a row. */
  readonly size: number;
  readonly each: number;
  readonly tasks: Int32Array;
}

type Rows = readonly (readonly number[])[];

/**
 * Cached tasks. The key is the array of row lists (one list for each pair of factors), which all layers of a model
 * pass. Only frozen lists are cached, since they cannot change.
 */
const layouts = new WeakMap<Rows, Layout>();

/** Divides the vectors of a batch into tasks. The batch has `size` rows of `each` vectors. */
function tasksOf(rows: Rows, size: number, each: number): Int32Array {
  const known = layouts.get(rows);
  if (known && known.size === size && known.each === each) return known.tasks;
  const named = new Uint8Array(size);
  for (const list of rows) for (const row of list) named[row] = 1;
  const unnamed: number[] = [];
  for (let row = 0; row < size; row++) if (named[row] === 0) unnamed.push(row);
  const words: number[] = [];
  pushTasks(words, -1, unnamed, each);
  for (let pair = 0; pair < rows.length; pair++) pushTasks(words, pair, rows[pair], each);
  const tasks = new Int32Array(words);
  if (Object.isFrozen(rows) && rows.every((list) => Object.isFrozen(list))) layouts.set(rows, { size, each, tasks });
  return tasks;
}

/**
 * Appends tasks for the vectors of some rows. A task covers at most `vectorsOfTask` consecutive vectors and is written
 * as three words: the pair of factors (-1 for none), the first vector, the number of vectors.
 */
function pushTasks(words: number[], pair: number, rows: readonly number[], each: number): void {
  for (let i = 0; i < rows.length; ) {
    const start = i++;
    while (rows[i] === rows[i - 1] + 1) i++;
    const end = (rows[i - 1] + 1) * each;
    for (let first = rows[start] * each; first < end; first += vectorsOfTask) {
      words.push(pair, first, Math.min(vectorsOfTask, end - first));
    }
  }
}

/** Computes the 32-bit words that describe a pair of factors, except the scaling, which can differ between calls. */
const groupWords: GroupWords<InvariantKernels> = {
  count: pairWords - 1,
  of: (k, [a, b]) => [a.ptr, b.ptr, kindOf(k, a), kindOf(k, b), a.shape[0]],
};

function kindOf(k: InvariantKernels, factor: WasmTensor): number {
  return k.factorKind(dtypeNumber(factor), factor.ptr, factor.shape[0], factor.shape[1]);
}

/** Computes the 32-bit words of all pairs of factors of a call, if the caller has not prepared them in advance. */
function newGroups(k: InvariantKernels, factors: readonly WasmTensor[]): BoundGroups {
  const slots = Array.from({ length: factors.length / 2 }, (_, i) => i);
  const table = slots.flatMap((i) => groupWords.of(k, factors.slice(2 * i)));
  return { table: Int32Array.from(table), slots };
}

const asFloat = new Float32Array(1);
const asWord = new Int32Array(asFloat.buffer);

/** Returns the bit pattern of an f32 value. */
function wordOf(number: number): number {
  asFloat[0] = number;
  return asWord[0];
}

/** The words that describe the pairs of factors of one call. */
interface Pairs {
  readonly slots: readonly number[];
  readonly scalings: readonly number[];
  /** The words of all pairs, in order. The array may be longer than needed. */
  readonly words: Int32Array;
  /** Largest rank of the pairs; it determines the scratch memory. */
  readonly rank: number;
  /**
   * Highest number that `factorKind` returns for a factor of these pairs; it depends on the factor's dtype and values.
   * It determines the size of the scratch memory.
   */
  readonly kind: number;
}

/**
 * Returns the words for the pairs of a call. Reuses the previous call's words if `slots` and `scalings` are the same
 * arrays as in that call.
 */
function pairsOf(bound: BoundGroups, scalings: readonly number[]): Pairs {
  const last = bound.made as Pairs | undefined;
  const { table, slots } = bound;
  if (last?.scalings === scalings && last.slots === slots) return last;
  const length = pairWords * slots.length;
  const words = last && last.words.length >= length ? last.words : new Int32Array(length);
  let rank = 0;
  let kind = 0;
  for (let i = 0; i < slots.length; i++) {
    const from = groupWords.count * slots[i];
    const to = pairWords * i;
    for (let j = 0; j < groupWords.count; j++) words[to + j] = table[from + j];
    words[to + groupWords.count] = wordOf(scalings[i]);
    kind = Math.max(kind, table[from + 2], table[from + 3]);
    rank = Math.max(rank, table[from + 4]);
  }
  const pairs = { slots, scalings, words, rank, kind };
  bound.made = pairs;
  return pairs;
}

export const lowRankRowsKernel: WasmKernel = kernel<typeof lowRankRows, InvariantKernels>(
  "lowRankRows",
  (k, [y, x, ...factors], [out], { rows, scalings }, scratch, _op, bound) => {
    const inFeatures = x.shape[x.shape.length - 1];
    const outFeatures = y.shape[y.shape.length - 1];
    const tasks = tasksOf(rows, y.shape[0], sizeOf(x.shape.slice(1, -1)));
    const count = tasks.length / taskWords;
    const { words, rank, kind } = pairsOf(bound ?? newGroups(k, factors), scalings);
    const both = scratch.words(words.length + tasks.length);
    const table = both.byteOffset;
    const list = table + words.byteLength;
    both.set(words);
    both.set(tasks, words.length);
    // Every task has scratch for the largest task, in whole cache lines, so that threads do not share a line.
    const room = Math.ceil(k.lowRankRoom(vectorsOfTask, rank, inFeatures, kind) / lineBytes) * lineBytes;
    const rooms = scratch(room * count);
    k.lowRankRows(x.ptr, y.ptr, out.ptr, inFeatures, outFeatures, table, list, rooms, room, 0, count);
  },
  { groups: groupWords },
);
