import type { kernelParameters } from "../kernels/kernelParameters.gen.ts";
import type { InvariantKernels } from "../kernels/kernelTypes.gen.ts";

/** The arguments of a kernel call, by parameter name. */
type Args<N extends string> = Readonly<Record<N, number>>;

/**
 * A plan for dividing a kernel call between threads. The call processes units, such as rows. Each part of the call
 * processes a range of units, with arguments that differ between parts.
 */
interface Cut<N extends string> {
  /** Number of units to divide between the parts, such as rows. */
  units: number;
  /** Cost of the whole call. The cost of one element of an elementwise kernel is 1. */
  work: number;
  /**
   * Returns, for each argument that differs between parts (such as an address), its increase per unit. Called only if
   * there is enough work for two parts.
   */
  steps: () => { readonly [name in N]?: number };
  /** The number of units in a part is a multiple of this. */
  align: number;
  /**
   * Name of the argument that receives the number of units in the part. `end` names the argument for the end of the
   * part's range of units (exclusive). `scratch` names the argument for the address of the thread's scratch memory.
   */
  count?: N;
  end?: N;
  scratch?: N;
}

/** Computes how to divide a call with these arguments. */
export type Cutter<N extends string> = (args: Args<N>) => Cut<N>;

type Cutters = { readonly [K in keyof InvariantKernels]?: Cutter<(typeof kernelParameters)[K][number]> };

/** Number of 4-byte elements in a cache line of 64 bytes. */
const lineElements = 16;

/** Number of elements that share one scale in 8-bit optimiser moments. */
const scaleElements = 256;

/** Size in bytes of an element, by dtype number: f32, f16, bf16, i32, u8, bool. */
const dtypeBytes = [4, 2, 2, 4, 1, 1];

/** Number of elements in a block when a kernel processes a table of arrays; see assembly/simd/segments.ts. */
const blockElements = 1024;

/** Number of multiply-adds that take as long as one element of an elementwise kernel. */
export const productsPerElement = 8;

/** Returns an object that maps every name to `step`. */
function steps<N extends string>(names: readonly N[], step: number): { [name in N]?: number } {
  const made: { [name in N]?: number } = {};
  for (const name of names) made[name] = step;
  return made;
}

/**
 * Divides a product of matrices of 8-bit codes between threads: each part computes a range of columns of the result.
 */
const byteProduct: Cutter<"m" | "n" | "k" | "first" | "last" | "scratch"> = ({ m, n, k, first, last }) => ({
  units: last - first,
  work: (m * n * k) / (2 * productsPerElement),
  steps: () => ({ first: 1 }),
  end: "last",
  scratch: "scratch",
  align: 8,
});

/**
 * Divides an elementwise kernel over arrays of `n` floats. `pointers` names the arguments that are addresses of the
 * arrays. `weight` is the cost of an element relative to exp.
 */
function elements<N extends string>(pointers: readonly N[], weight = 1): Cutter<N | "n"> {
  return ({ n }) => ({
    units: n,
    work: weight * n,
    steps: () => steps<N | "n">(pointers, 4),
    count: "n",
    align: lineElements,
  });
}

/**
 * Divides a kernel by rows. The kernel processes each row of a matrix of floats independently. `pointers` names the
 * arguments that are addresses of matrices.
 */
function rows<N extends string>(pointers: readonly N[]): Cutter<N | "rows" | "n"> {
  return ({ rows, n }) => ({
    units: rows,
    work: rows * n,
    steps: () => steps<N | "rows" | "n">(pointers, 4 * n),
    count: "rows",
    align: 1,
  });
}

type PlaneNames<N extends string> = N | `${N}Row` | `${N}Step` | "out" | "rows" | "n";

/**
 * Divides an elementwise kernel over `rows` x `n` elements. `operands` gives the bytes per element of each operand,
 * which has a stride between rows and one within a row. The output is contiguous, with `outSize` bytes per element.
 */
function plane<N extends string>(
  operands: Readonly<Record<N, number>>,
  outSize: number,
  weight = 0.5,
): Cutter<PlaneNames<N>> {
  const sizes = Object.entries(operands) as [N, number][];
  return (args: Args<PlaneNames<N>>) => {
    const { rows, n } = args as Args<"rows" | "n">;
    const along = (kind: "Row" | "Step", outStep: number) => {
      const made: Record<string, number> = { out: outStep };
      for (const [name, size] of sizes) made[name] = size * args[`${name}${kind}`];
      return made as { [name in PlaneNames<N>]?: number };
    };
    const work = weight * rows * n;
    return rows === 1
      ? { units: n, work, steps: () => along("Step", outSize), count: "n", align: lineElements }
      : { units: rows, work, steps: () => along("Row", outSize * n), count: "rows", align: 1 };
  };
}

type AttentionNames = "scratch" | "first" | "last" | "queries" | "keys" | "group" | "size";

/** Divides attention between threads: each part computes a range of key heads, with all query heads that share them. */
const attention: Cutter<AttentionNames> = ({ first, last, queries, keys, group, size }) => {
  const units = last - first;
  const products = 2 * units * group * queries * keys * size;
  const work = products / productsPerElement;
  return { units, work, steps: () => ({ first: 1 }), end: "last", scratch: "scratch", align: 1 };
};

type PagedNames = "scratch" | "first" | "last" | "group" | "size" | "pageSize" | "tablePages";

/**
 * Divides paged attention between threads: each part computes a range of units. A unit is one key head of one row
 * (token). The cost is estimated as if each sequence filled half of its page table.
 */
const pagedAttention: Cutter<PagedNames> = ({ first, last, group, size, pageSize, tablePages }) => {
  const units = last - first;
  const products = units * group * pageSize * tablePages * size;
  const work = products / productsPerElement;
  return { units, work, steps: () => ({ first: 1 }), end: "last", scratch: "scratch", align: 1 };
};

/**
 * Divides a kernel that processes a table of arrays. Each part processes a range of 1024-element blocks. The kernel
 * finds the arrays of these blocks by the index of the part's first block.
 */
const blocks: Cutter<"first" | "last"> = ({ first, last }) => {
  const units = last - first;
  return { units, work: units * blockElements, steps: () => ({ first: 1 }), end: "last", align: 1 };
};

/**
 * Returns the cost of copying `count` pieces of `bytes` bytes each. Copying 16 bytes costs as much as one element of an
 * elementwise kernel, and a piece costs at least that.
 */
const copies = (count: number, bytes: number): number => count * Math.max(1, bytes / 16);

type WindowNames = "planes" | "height" | "width" | "kernelH" | "kernelW" | "rows" | "columns";

/**
 * Divides a kernel over sliding windows: each part processes a range of planes (2D images). `plane`, `windows` and
 * `elements` name arguments that are addresses. `plane` is for planes, `windows` for arrays with one value per window,
 * `elements` for arrays with one value per element of each window.
 */
function windows<N extends string>(names: {
  plane: readonly N[];
  windows?: readonly N[];
  elements?: readonly N[];
}): Cutter<N | WindowNames> {
  return ({ planes, height, width, kernelH, kernelW, rows, columns }: Args<N | WindowNames>) => {
    const places = rows * columns;
    const elements = kernelH * kernelW * places;
    return {
      units: planes,
      work: planes * elements,
      steps: () => ({
        ...steps<N | WindowNames>(names.plane, 4 * height * width),
        ...steps<N | WindowNames>(names.windows ?? [], 4 * places),
        ...steps<N | WindowNames>(names.elements ?? [], 4 * elements),
      }),
      count: "planes",
      align: 1,
    };
  };
}

const binary = plane({ a: 4, b: 4 }, 4);
const comparison = plane({ a: 4, b: 4 }, 1);
const unary = elements(["x", "out"]);
const light = elements(["x", "out"], 0.5);
const activationBackward = elements(["dy", "x", "out"]);
const normBackward = rows(["dy", "x", "dx"]);

/** The function that divides each kernel into parts, by kernel name. A kernel that is not listed runs on one thread. */
export const cutters: Cutters = {
  gemmBatched: ({ batch, strideA, strideB, strideC, m, n, k }) => ({
    units: batch,
    work: (batch * m * n * k) / productsPerElement,
    steps: () => ({ a: 4 * strideA, b: 4 * strideB, c: 4 * strideC }),
    count: "batch",
    align: 1,
  }),
  attention,
  attentionBackward: attention,
  pagedAttention,
  crossEntropyChunk: ({ count, n }) => ({
    units: count,
    work: count * n,
    steps: () => ({ x: 4 * n, indices: 4, losses: 8 }),
    count: "count",
    align: 1,
  }),
  linearInt8: byteProduct,
  int8Product: byteProduct,
  nibbleProduct: (args) => ({ ...byteProduct(args), align: 32 }),
  int16Product: ({ rows, columns, m, first, last, wide }) => ({
    units: last - first,
    work: (m * rows * columns) / (1.3 * productsPerElement),
    steps: () => ({ first: 1 }),
    end: "last",
    scratch: "scratch",
    // Squares in f32 are multiplied as a whole.
    align: wide === 0 ? 8 : 64,
  }),
  lowRankRows: ({ inFeatures, outFeatures, first, last }) => ({
    units: last - first,
    // Assumes one vector and a rank of 8, as most tasks have.
    work: ((last - first) * 8 * (inFeatures + outFeatures)) / productsPerElement,
    steps: () => ({ first: 1 }),
    end: "last",
    align: 1,
  }),
  linearCrossEntropyPart: ({ first, last, rows, width, classes }) => ({
    units: last - first,
    work: (2 * rows * width * classes) / productsPerElement,
    steps: () => ({ first: 1 }),
    end: "last",
    scratch: "scratch",
    align: 1,
  }),
  linearCrossEntropyJoin: ({ dhidden, count, width, parts }) => ({
    units: count,
    work: count * width * parts,
    steps: () => ({
      ...{ labels: 4, tops: 4, masses: 8, sums: 4 * width, targets: 4, losses: 8 },
      dhidden: dhidden ? 4 * width : 0,
    }),
    count: "count",
    align: 1,
  }),
  rope: ({ rows, heads, size, half }) => ({
    units: rows,
    work: (rows * heads * size) / 2,
    steps: () => ({ x: 4 * heads * size, cos: 4 * half, sin: 4 * half, out: 4 * heads * size }),
    count: "rows",
    align: 1,
  }),
  rmsNorm: rows(["x", "out"]),
  rmsNormBackward: normBackward,
  layerNorm: rows(["x", "out"]),
  layerNormBackward: normBackward,
  softmax: rows(["x", "out"]),
  softmaxBackward: rows(["dy", "y", "dx"]),
  logSoftmax: rows(["x", "out"]),
  logSoftmaxBackward: rows(["dy", "y", "dx"]),
  swiglu: elements(["gate", "up", "out"]),
  swigluBackward: elements(["dy", "gate", "up", "dgate", "dup"]),
  geglu: elements(["gate", "up", "out"]),
  gegluBackward: elements(["dy", "gate", "up", "dgate", "dup"]),
  adamStep: blocks,
  sumSquares: blocks,
  clipToNorm: blocks,
  axpy: elements(["x", "y"], 0.5),
  adamStep8bit: ({ n }) => ({
    units: n,
    // Finding the nearest code is slow.
    work: 8 * n,
    steps: () => ({ p: 4, grad: 4, m: 1, v: 1, ...steps(["mScales", "vScales"], 4 / scaleElements) }),
    count: "n",
    scratch: "room",
    align: scaleElements,
  }),
  sgdStep: ({ buffer, n }) => ({
    units: n,
    work: n,
    steps: () => ({ p: 4, grad: 4, buffer: buffer ? 4 : 0 }),
    count: "n",
    align: lineElements,
  }),
  adagradStep: elements(["p", "grad", "sum"]),
  rmspropStep: ({ buffer, n }) => ({
    units: n,
    work: n,
    steps: () => ({ p: 4, grad: 4, mean: 4, buffer: buffer ? 4 : 0 }),
    count: "n",
    align: lineElements,
  }),
  scaleInPlace: elements(["x"], 0.5),
  fill: elements(["out"], 0.25),
  dropout: ({ n }) => ({
    units: n,
    work: 2 * n,
    steps: () => ({ x: 4, out: 4, offset: 1 }),
    count: "n",
    align: lineElements,
  }),
  cast: ({ n, from, to }) => ({
    units: n,
    work: n,
    steps: () => ({ x: dtypeBytes[from], out: dtypeBytes[to] }),
    count: "n",
    align: 4 * lineElements,
  }),
  unpackRow: ({ count }) => ({
    units: count,
    work: count,
    steps: () => ({ start: 1, dst: 4 }),
    count: "count",
    // Whole blocks of every format in which weights are packed.
    align: 4 * lineElements,
  }),
  embedding: ({ count, bytes }) => ({
    units: count,
    work: copies(count, bytes),
    steps: () => ({ ids: 4, out: bytes }),
    count: "count",
    align: 1,
  }),
  copyRows: ({ count, bytes, scatter }) => ({
    units: count,
    work: copies(count, bytes),
    steps: () => ({ indices: 4, [scatter ? "x" : "out"]: bytes }),
    count: "count",
    align: 1,
  }),
  copyBlocks: ({ outer, count, bytes, xOuter, xStep, outOuter, outStep }) => {
    const work = copies(outer * count, bytes);
    return outer === 1
      ? { units: count, work, steps: () => ({ x: xStep, out: outStep }), count: "count", align: 1 }
      : { units: outer, work, steps: () => ({ x: xOuter, out: outOuter }), count: "outer", align: 1 };
  },
  permute: ({ n0, n1, n2, n3, s0, s1, s2, size }) => {
    const work = n0 * n1 * n2 * n3;
    const along = (units: number, count: "n0" | "n1" | "n2", stride: number, inner: number, align: number) => ({
      ...{ units, work, count, align },
      steps: () => ({ x: size * stride, out: size * inner }),
    });
    // The last dimension stays whole, and so do the transposition's blocks in the last two dimensions.
    if (n0 > 1) return along(n0, "n0", s0, n1 * n2 * n3, 1);
    return n1 > 1 ? along(n1, "n1", s1, n2 * n3, 1) : along(n2, "n2", s2, n3, lineElements);
  },
  expand: ({ rows, n, rowStride, step }) => {
    const work = (rows * n) / 4;
    return rows === 1
      ? { units: n, work, steps: () => ({ x: 4 * step, out: 4 }), count: "n", align: lineElements }
      : { units: rows, work, steps: () => ({ x: 4 * rowStride, out: 4 * n }), count: "rows", align: 1 };
  },
  sumPlane: ({ rows, n, stride, rowStride, step }) => {
    const work = (rows * n) / 2;
    if (rowStride > 0) {
      return { units: rows, work, steps: () => ({ x: 4 * stride, sums: 8 * rowStride }), count: "rows", align: 1 };
    }
    // Rows are added to the same sums: columns can be separate, but the sum of everything is computed by one thread.
    return { units: step > 0 ? n : 1, work, steps: () => ({ x: 4, sums: 8 }), count: "n", align: lineElements };
  },
  cumsum: ({ outer, n, inner }) => ({
    // With an inner dimension the parts would share their scratch memory.
    units: inner === 1 ? outer : 1,
    work: outer * n,
    steps: () => ({ x: 4 * n, out: 4 * n }),
    count: "outer",
    align: 1,
  }),
  unfold: windows({ plane: ["x"], elements: ["out"] }),
  fold: windows({ plane: ["out"], elements: ["x"] }),
  maxPool2d: windows({ plane: ["x"], windows: ["out", "positions"] }),
  avgPool2d: windows({ plane: ["x"], windows: ["out"] }),
  avgPool2dBackward: windows({ plane: ["dx"], windows: ["dy"] }),
  where: plane({ condition: 1, a: 4, b: 4 }, 4),
  compare: comparison,
  compareInt: comparison,
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  maximum: binary,
  minimum: binary,
  pow: plane({ a: 4, b: 4 }, 4, 4),
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
