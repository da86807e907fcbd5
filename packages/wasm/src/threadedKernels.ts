import type { Kernels } from "@lowrank/core";
import { type Job, type JobBoard, type Kernel, mostParts } from "./jobBoard.ts";

/** A kernel call that can be cut: what a part changes, and how much work all of it is, in elements. */
interface Cut extends Omit<Job, "kernel" | "args" | "chunk"> {
  work: number;
  /** Parts are whole multiples of this many units. */
  align: number;
}

type Cutter = (args: readonly number[]) => Cut;

/** Elements in whole cache lines. */
const lineElements = 16;

/** Elements of a block of a table of arrays, at most. */
const blockElements = 1024;

/** Multiply-adds that take as long as an element of other kernels. */
const productsPerElement = 8;

/** Arrays of floats, `pointers`, of as many elements as argument `count` says; each costs as much as `weight` of exp. */
function elements(count: number, pointers: number[], weight = 1): Cutter {
  return (args) => ({
    units: args[count],
    work: weight * args[count],
    steps: pointers.map((i) => [i, 4]),
    count,
    align: lineElements,
  });
}

/** Matrices of floats, `pointers`, whose rows, `n` numbers long, do not depend on each other. */
function rows(count: number, pointers: number[], n: number): Cutter {
  return (args) => ({
    units: args[count],
    work: args[count] * args[n],
    steps: pointers.map((i) => [i, 4 * args[n]]),
    count,
    align: 1,
  });
}

const binary: Cutter = ([, , , count, n, aRow, bRow, aStep, bStep]) => {
  return count === 1
    ? { units: n, work: n / 2, steps: steps([4 * aStep, 4 * bStep, 4]), count: 4, align: lineElements }
    : { units: count, work: (count * n) / 2, steps: steps([4 * aRow, 4 * bRow, 4 * n]), count: 3, align: 1 };
};

/** Attention over the key heads first..last-1; `at` is where its geometry begins, at `queries`. */
function attention(scratch: number, at: number): Cutter {
  const [first, end] = [at - 2, at - 1];
  return (args) => {
    const [queries, keys, , , group, size] = args.slice(at, at + 6);
    const units = args[end] - args[first];
    const products = 2 * units * group * queries * keys * size;
    return { units, work: products / productsPerElement, steps: [[first, 1]], end, scratch, align: 1 };
  };
}

/** Blocks first..last-1 of a table of arrays; parts are found in it by the number of their first block. */
const blocks: Cutter = ([, first, last]) => {
  const units = last - first;
  return { units, work: units * blockElements, steps: [[1, 1]], end: 2, align: 1 };
};

function steps(values: number[]): [number, number][] {
  return values.map((step, i) => [i, step]);
}

const unary = elements(2, [0, 1]);
const activationBackward = elements(3, [0, 1, 2]);
const norm = rows(4, [0, 1, 3], 5);

const cutters: { [name in keyof Kernels]?: Cutter } = {
  gemmBatched: ([, , , batch, strideA, strideB, strideC, m, n, k]) => ({
    units: batch,
    work: (batch * m * n * k) / productsPerElement,
    steps: steps([4 * strideA, 4 * strideB, 4 * strideC]),
    count: 3,
    align: 1,
  }),
  attention: attention(6, 9),
  attentionBackward: attention(10, 13),
  crossEntropyChunk: ([, , , , count, n]) => ({
    units: count,
    work: count * n,
    steps: [...steps([4 * n]), [2, 4], [3, 8]],
    count: 4,
    align: 1,
  }),
  linearCrossEntropyPart: ([, , , , , , , , , first, last, , rows, width, classes]) => ({
    units: last - first,
    work: (2 * rows * width * classes) / productsPerElement,
    steps: [[9, 1]],
    end: 10,
    scratch: 8,
    align: 1,
  }),
  linearCrossEntropyJoin: ([, , , , , , , , dhidden, count, , width, parts]) => ({
    units: count,
    work: count * width * parts,
    steps: [
      [2, 4],
      [3, 4],
      [4, 8],
      [5, 4 * width],
      [6, 4],
      [7, 8],
      [8, dhidden ? 4 * width : 0],
    ],
    count: 9,
    align: 1,
  }),
  rope: ([, , , , count, heads, size, half]) => ({
    units: count,
    work: (count * heads * size) / 2,
    steps: steps([4 * heads * size, 4 * half, 4 * half, 4 * heads * size]),
    count: 4,
    align: 1,
  }),
  rmsNorm: rows(3, [0, 2], 4),
  rmsNormBackward: norm,
  layerNorm: rows(4, [0, 3], 5),
  layerNormBackward: norm,
  softmax: rows(2, [0, 1], 3),
  softmaxBackward: rows(3, [0, 1, 2], 4),
  logSoftmax: rows(2, [0, 1], 3),
  logSoftmaxBackward: rows(3, [0, 1, 2], 4),
  swiglu: elements(3, [0, 1, 2]),
  swigluBackward: elements(5, [0, 1, 2, 3, 4]),
  geglu: elements(3, [0, 1, 2]),
  gegluBackward: elements(5, [0, 1, 2, 3, 4]),
  adamStep: blocks,
  sumSquares: blocks,
  clipToNorm: blocks,
  axpy: elements(2, [0, 1], 0.5),
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  exp: unary,
  log: unary,
  tanh: unary,
  sigmoid: unary,
  erf: unary,
  silu: unary,
  gelu: unary,
  geluTanh: unary,
  siluBackward: activationBackward,
  geluBackward: activationBackward,
  geluTanhBackward: activationBackward,
};

/** Parts for each thread: one that comes late leaves little for the others to wait for. */
const partsPerThread = 4;

/**
 * The same kernels; those that spend time share their work through `board` where each part is at least `grain`
 * elements of work. `threads` says how many work at present, this one included. The results are the same to the bit.
 */
export function threadedKernels(k: Kernels, board: JobBoard, threads: () => number, grain: number): Kernels {
  const names = Object.keys(k);
  const partsFor = (work: number): number => {
    return Math.min(mostParts, threads() > 1 ? partsPerThread * threads() : 1, Math.floor(work / grain));
  };
  const share = (name: keyof Kernels, cutter: Cutter): Kernel => {
    const direct = k[name] as Kernel;
    const kernel = names.indexOf(name);
    return (...args) => {
      const { work, align, ...cut } = cutter(args);
      const chunk = Math.ceil(cut.units / partsFor(work) / align) * align;
      if (!(chunk < cut.units)) return direct(...args);
      return board.run({ ...cut, kernel, args, chunk });
    };
  };
  const gemmPart = names.indexOf("gemmPart");
  const gemm: Kernel = (...args) => {
    const [, , , m, n, inner] = args;
    const parts = partsFor((m * n * inner) / productsPerElement);
    if (parts < 2) return (k.gemm as Kernel)(...args);
    const part = args.length;
    return board.run({ kernel: gemmPart, args: [...args, 0, parts], steps: [[part, 1]], units: parts, chunk: 1 });
  };
  const shared = Object.entries(cutters).map(([name, cutter]) => [name, share(name as keyof Kernels, cutter)]);
  return { ...k, ...Object.fromEntries(shared), gemm };
}
