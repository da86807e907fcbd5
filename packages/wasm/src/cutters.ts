import type { Job } from "./jobBoard.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** A kernel call that can be cut: what a part changes, and how much work all of it is, in elements. */
interface Cut extends Omit<Job, "kernel" | "args" | "chunk" | "steps"> {
  work: number;
  /** Asked for only where the work is enough for two. */
  steps: () => Job["steps"];
  /** Parts are whole multiples of this many units. */
  align: number;
}

export type Cutter = (args: readonly number[]) => Cut;

/** Elements in whole cache lines. */
const lineElements = 16;

/** Elements that share a scale of 8-bit moments. */
const scaleElements = 256;

/** Bytes of an element, by the number of its dtype in casts: f32, f16, bf16, i32, u8, bool. */
const dtypeBytes = [4, 2, 2, 4, 1, 1];

/** Elements of a block of a table of arrays, at most. */
const blockElements = 1024;

/** Multiply-adds that take as long as an element of other kernels. */
export const productsPerElement = 8;

/** Arrays of floats, `pointers`, of as many elements as argument `count` says; each costs as much as `weight` of exp. */
function elements(count: number, pointers: number[], weight = 1): Cutter {
  return (args) => ({
    units: args[count],
    work: weight * args[count],
    steps: () => pointers.map((i) => [i, 4]),
    count,
    align: lineElements,
  });
}

/** Matrices of floats, `pointers`, whose rows, `n` numbers long, do not depend on each other. */
function rows(count: number, pointers: number[], n: number): Cutter {
  return (args) => ({
    units: args[count],
    work: args[count] * args[n],
    steps: () => pointers.map((i) => [i, 4 * args[n]]),
    count,
    align: 1,
  });
}

/**
 * A plane of `rows` x `n` elements: argument `rows` and, behind it, n and the operands' strides between rows and then
 * within a row, in elements of `sizes` bytes. The output, whose elements have `outSize` bytes, is contiguous.
 */
function plane(rows: number, sizes: number[], outSize: number, weight = 0.5): Cutter {
  return (args) => {
    const [count, n] = [args[rows], args[rows + 1]];
    const strides = (at: number): number[] => sizes.map((size, i) => size * args[rows + at + i]);
    const work = weight * count * n;
    return count === 1
      ? {
          units: n,
          work,
          steps: () => steps([...strides(2 + sizes.length), outSize]),
          count: rows + 1,
          align: lineElements,
        }
      : { units: count, work, steps: () => steps([...strides(2), outSize * n]), count: rows, align: 1 };
  };
}

/** Attention over the key heads first..last-1; `at` is where its geometry begins, at `queries`. */
function attention(scratch: number, at: number): Cutter {
  const [first, end] = [at - 2, at - 1];
  return (args) => {
    const [queries, keys, , , group, size] = args.slice(at, at + 6);
    const units = args[end] - args[first];
    const products = 2 * units * group * queries * keys * size;
    return { units, work: products / productsPerElement, steps: () => [[first, 1]], end, scratch, align: 1 };
  };
}

/** Blocks first..last-1 of a table of arrays; parts are found in it by the number of their first block. */
const blocks: Cutter = ([, first, last]) => {
  const units = last - first;
  return { units, work: units * blockElements, steps: () => [[1, 1]], end: 2, align: 1 };
};

function steps(values: number[]): [number, number][] {
  return values.map((step, i) => [i, step]);
}

/** Copies of runs of bytes; each costs as much as an element at least. */
const copies = (count: number, bytes: number): number => count * Math.max(1, bytes / 16);

const binary = plane(3, [4, 4], 4);
const comparison = plane(3, [4, 4], 1);
const unary = elements(2, [0, 1]);
const light = elements(2, [0, 1], 0.5);
const activationBackward = elements(3, [0, 1, 2]);
const norm = rows(4, [0, 1, 3], 5);

export const cutters: { [name in keyof Kernels]?: Cutter } = {
  gemmBatched: ([, , , batch, strideA, strideB, strideC, m, n, k]) => ({
    units: batch,
    work: (batch * m * n * k) / productsPerElement,
    steps: () => steps([4 * strideA, 4 * strideB, 4 * strideC]),
    count: 3,
    align: 1,
  }),
  attention: attention(6, 9),
  attentionBackward: attention(10, 13),
  crossEntropyChunk: ([, , , , count, n]) => ({
    units: count,
    work: count * n,
    steps: () => [...steps([4 * n]), [2, 4], [3, 8]],
    count: 4,
    align: 1,
  }),
  linearInt8: ([, , , , m, n, k, first, last]) => ({
    units: last - first,
    work: (m * n * k) / (2 * productsPerElement),
    steps: () => [[7, 1]],
    end: 8,
    scratch: 9,
    align: 8,
  }),
  linearCrossEntropyPart: ([, , , , , , , , , first, last, , rows, width, classes]) => ({
    units: last - first,
    work: (2 * rows * width * classes) / productsPerElement,
    steps: () => [[9, 1]],
    end: 10,
    scratch: 8,
    align: 1,
  }),
  linearCrossEntropyJoin: ([, , , , , , , , dhidden, count, , width, parts]) => ({
    units: count,
    work: count * width * parts,
    steps: () => [
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
    steps: () => steps([4 * heads * size, 4 * half, 4 * half, 4 * heads * size]),
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
  adamStep8bit: ([, , , , , , , , , n]) => ({
    units: n,
    // Finding the nearest code takes long.
    work: 8 * n,
    steps: () => steps([4, 4, 1, 1, 4 / scaleElements, 4 / scaleElements]),
    count: 9,
    scratch: 8,
    align: scaleElements,
  }),
  sgdStep: ([, , buffer, n]) => ({
    units: n,
    work: n,
    steps: () => steps([4, 4, buffer ? 4 : 0]),
    count: 3,
    align: lineElements,
  }),
  adagradStep: elements(3, [0, 1, 2]),
  rmspropStep: ([, , , buffer, n]) => ({
    units: n,
    work: n,
    steps: () => steps([4, 4, 4, buffer ? 4 : 0]),
    count: 4,
    align: lineElements,
  }),
  scaleInPlace: elements(1, [0], 0.5),
  fill: elements(1, [0], 0.25),
  dropout: ([, , n]) => ({
    units: n,
    work: 2 * n,
    steps: () => [
      [0, 4],
      [1, 4],
      [3, 1],
    ],
    count: 2,
    align: lineElements,
  }),
  cast: ([, , n, from, to]) => ({
    units: n,
    work: n,
    steps: () => steps([dtypeBytes[from], dtypeBytes[to]]),
    count: 2,
    align: 4 * lineElements,
  }),
  unpackRow: ([, , , count]) => ({
    units: count,
    work: count,
    steps: () => [
      [2, 1],
      [4, 4],
    ],
    count: 3,
    // Whole blocks of every format in which weights are packed.
    align: 4 * lineElements,
  }),
  embedding: ([, , , count, bytes]) => ({
    units: count,
    work: copies(count, bytes),
    steps: () => [
      [1, 4],
      [2, bytes],
    ],
    count: 3,
    align: 1,
  }),
  copyRows: ([, , , count, bytes, scatter]) => ({
    units: count,
    work: copies(count, bytes),
    steps: () => [
      [1, 4],
      [scatter ? 0 : 2, bytes],
    ],
    count: 3,
    align: 1,
  }),
  copyBlocks: ([, , outer, count, bytes, xOuter, xStep, outOuter, outStep]) => {
    const work = copies(outer * count, bytes);
    return outer === 1
      ? { units: count, work, steps: () => steps([xStep, outStep]), count: 3, align: 1 }
      : { units: outer, work, steps: () => steps([xOuter, outOuter]), count: 2, align: 1 };
  },
  permute: (args) => {
    const [sizes, strides, bytes] = [args.slice(2, 6), args.slice(6, 10), args[10]];
    const work = sizes.reduce((product, n) => product * n, 1);
    // The last dimension stays whole, and so do the blocks of a transposition in the two last.
    const cut = Math.max(
      0,
      sizes.slice(0, 2).findIndex((n) => n > 1),
    );
    const at = sizes[cut] > 1 ? cut : 2;
    const inner = sizes.slice(at + 1).reduce((product, n) => product * n, 1);
    return {
      units: sizes[at],
      work,
      steps: () => steps([bytes * strides[at], bytes * inner]),
      count: 2 + at,
      align: at === 2 ? lineElements : 1,
    };
  },
  expand: ([, , count, n, rowStride, step]) => {
    const work = (count * n) / 4;
    return count === 1
      ? { units: n, work, steps: () => steps([4 * step, 4]), count: 3, align: lineElements }
      : { units: count, work, steps: () => steps([4 * rowStride, 4 * n]), count: 2, align: 1 };
  },
  sumPlane: ([, , count, n, stride, rowStride, step]) => {
    const work = (count * n) / 2;
    if (rowStride > 0)
      return { units: count, work, steps: () => steps([4 * stride, 8 * rowStride]), count: 2, align: 1 };
    // Rows land on each other: their columns are apart, and the sum of all is one thread's.
    return { units: step > 0 ? n : 1, work, steps: () => steps([4, 8]), count: 3, align: lineElements };
  },
  cumsum: ([, , , outer, n, inner]) => ({
    // With an inner dimension the parts would share their scratch memory.
    units: inner === 1 ? outer : 1,
    work: outer * n,
    steps: () => steps([4 * n, 4 * n]),
    count: 3,
    align: 1,
  }),
  where: plane(4, [1, 4, 4], 4),
  compare: comparison,
  compareInt: comparison,
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  maximum: binary,
  minimum: binary,
  pow: plane(3, [4, 4], 4, 4),
  affine: light,
  clamp: light,
  sqrt: light,
  rsqrt: light,
  reciprocal: light,
  square: light,
  abs: light,
  sign: light,
  relu: light,
  softplus: unary,
  sin: unary,
  cos: unary,
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
