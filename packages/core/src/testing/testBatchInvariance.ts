import type { Backend } from "../backends/backend.ts";
import { tensor } from "../creation/makeTensor.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import type { BlockDType } from "../layout/dtype.ts";
import { blockFormats } from "../packed/index.ts";
import { packedTensor } from "../quantize/packedTensor.ts";
import { Generator } from "../random/random.ts";
import type { BackendTest } from "./testBackend.ts";
import { prepareStored, storedWeights, wideStoredWeights } from "./weightCases.ts";

/** Number of values of the largest tensor that a check draws, in `longRows`. */
const mostNormals = 150 * 20_000;

/** Returns the number of blocks of the largest weight: 97 columns, and 131 blocks of 32 or 5 of 256. */
const mostBlocks = (elements: number): number => 97 * (elements === 32 ? 131 : 5);

let normals: Float32Array | undefined;
const packed = new Map<BlockDType, Uint8Array>();

/** Returns normally distributed values. They are computed once, since that takes longer than most checks. */
function normalValues(): Float32Array {
  if (normals === undefined) {
    normals = new Float32Array(mostNormals);
    new Generator(1).fillNormal(normals, 0, 1);
  }
  return normals;
}

/** Returns blocks of a format. They are packed once, since that takes longer than the products. */
function packedBlocks(dtype: BlockDType): Uint8Array {
  const { block, pack } = blockFormats[dtype];
  const size = block.elements * mostBlocks(block.elements);
  const bytes = packed.get(dtype) ?? pack(normalValues().subarray(0, size), "a weight");
  packed.set(dtype, bytes);
  return bytes;
}

/** A part of the m rows of x: `count` rows from row `first` on. */
interface Part {
  readonly m: number;
  readonly first: number;
  readonly count: number;
}

/** Draws random sizes and tensors for a test. */
class Draws {
  readonly #generator: Generator;
  readonly #backend: Backend;

  constructor(seed: number, backend: Backend) {
    this.#generator = new Generator(seed);
    this.#backend = backend;
  }

  /** Returns an integer from `low` to `high`, both included. */
  int(low: number, high: number): number {
    const drawn = new Int32Array(1);
    this.#generator.fillInt(drawn, low, high + 1);
    return drawn[0];
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)];
  }

  /** Draws m, often near the number of rows that a kernel's tile holds, and a part of the m rows. */
  part(): Part {
    const m = this.int(1, this.of([20, 70]));
    const first = this.int(0, m - 1);
    return { m, first, count: this.int(1, m - first) };
  }

  /** Draws a number of columns: odd, a multiple of four, or more than a kernel's tile has. */
  columns(): number {
    return this.of([this.int(1, 40), 97]);
  }

  /** Draws the length of the sums in a product: one or several blocks of a kernel. */
  depth(): number {
    return this.of([this.int(1, 70), 192, 383, 384, 385, 576, 1000]);
  }

  /** Draws the length of the sums in a product, a multiple of 32. Panels of packed weights hold 128 blocks of 32. */
  blocks(): number {
    return 32 * this.of([1, 3, 12, 18, 30, 131]);
  }

  /** Draws a position at which `size` of `length` elements begin. */
  begin(length: number, size: number): number {
    return this.int(0, length - size);
  }

  normal(...shape: number[]): Tensor {
    const size = shape.reduce((a, n) => a * n, 1);
    const at = this.begin(mostNormals, size);
    return tensor(normalValues().slice(at, at + size), { shape, backend: this.#backend });
  }

  /** Draws a weight [n, k] and stores it in a format of `storedWeights`. */
  async weight(format: string, n: number, k: number): Promise<Tensor> {
    if (format in blockFormats) return this.#inBlocks(format as BlockDType, n, k);
    const w = this.normal(n, k);
    return format === "f32" ? w : storedWeights[format](w, (await w.data()) as Float32Array);
  }

  #inBlocks(dtype: BlockDType, n: number, k: number): Tensor {
    const { elements, bytes } = blockFormats[dtype].block;
    const count = (n * k) / elements;
    const at = this.begin(mostBlocks(elements), count);
    const blocks = packedBlocks(dtype).slice(at * bytes, (at + count) * bytes);
    return packedTensor(blocks, { shape: [n, k], dtype, backend: this.#backend });
  }
}

async function bitsOf(t: Tensor): Promise<Uint32Array> {
  const { buffer, byteOffset, length } = await t.data();
  return new Uint32Array(buffer, byteOffset, length);
}

/** Throws unless `op` computes the same bits for a part of x's rows alone as for these rows among all rows of x. */
async function expectSameRows(
  name: string,
  op: (x: Tensor, first: number) => Tensor,
  x: Tensor,
  { m, first, count }: Part,
): Promise<void> {
  using all = scope(() => op(x, 0));
  using some = scope(() => op(f.slice(x, { start: first, end: first + count }), first));
  const length = all.size / m;
  const [found, among] = [await bitsOf(some), (await bitsOf(all)).subarray(first * length)];
  const at = found.findIndex((bits, i) => bits !== among[i]);
  if (at < 0) return;
  throw new Error(
    `${name} of x [${x.shape}]: row ${first + Math.floor(at / length)} has other bits among ${m} rows than among ${count}`,
  );
}

/** A check of one op: draws sizes, and throws if the op is not batch-invariant. */
type Check = (draws: Draws) => Promise<void>;

const byWeight =
  (format: string, isWide = false): Check =>
  async (d) => {
    const part = d.part();
    const transposeB = d.of([true, false]);
    const depth = isWide ? 256 * d.of([1, 2, 5]) : d.blocks();
    const [n, k] = transposeB ? [d.columns(), depth] : [d.columns(), isWide ? 256 : 64];
    using w = await d.weight(format, n, k);
    using x = d.normal(part.m, transposeB ? k : n);
    await expectSameRows("matmul", (rows) => f.matmul(rows, w, { transposeB }), x, part);
  };

const byIntegers =
  (format: string): Check =>
  async (d) => {
    const k = format in wideStoredWeights ? 256 * d.of([1, 2, 5]) : d.blocks();
    const [part, n] = [d.part(), d.columns()];
    using w = await d.weight(format, n, k);
    using x = d.normal(part.m, k);
    await expectSameRows("linearInt8", (rows) => f.linearInt8(rows, w), x, part);
  };

const lowRank: Check = async (d) => {
  const [part, n, k, r] = [d.part(), d.columns(), d.depth(), d.of([1, 4, 8, 13, 64])];
  using w = await d.weight(d.of(["f32", "bf16"]), n, k);
  using a = d.normal(r, k);
  using b = d.normal(n, r);
  using x = d.normal(part.m, k);
  await expectSameRows("loraLinear", (rows) => f.loraLinear(rows, w, a, b, { scaling: 0.3 }), x, part);
  await expectSameRows("A of LoRA", (rows) => f.matmul(rows, a, { transposeB: true }), x, part);
  using low = d.normal(part.m, r);
  await expectSameRows("B of LoRA", (rows) => f.matmul(rows, b, { transposeB: true }), low, part);
};

/** Checks `lowRankRows`: each row of the batch uses one of two adapters, or none. */
const rowsOfAdapters: Check = async (d) => {
  const [part, n, k] = [d.part(), d.columns(), d.depth()];
  using a = d.normal(8, k);
  using b = d.normal(n, 8);
  using c = d.normal(3, k);
  using e = d.normal(n, 3);
  using y = d.normal(part.m, n);
  using x = d.normal(part.m, k);
  const adapterOf = Array.from({ length: part.m }, () => d.int(0, 2));
  const run = (rows: Tensor, first: number): Tensor => {
    const [count] = rows.shape;
    const own = adapterOf.slice(first, first + count);
    const lists = [0, 1].map((s) => own.flatMap((adapter, row) => (adapter === s ? [row] : [])));
    const beside = f.slice(y, { start: first, end: first + count });
    const used = lists.flatMap((list, s) => (list.length > 0 ? [s] : []));
    if (used.length === 0) return beside;
    const factors = [a, b, c, e];
    return f.lowRankRows(beside, rows, ...used.flatMap((s) => factors.slice(2 * s, 2 * s + 2)), {
      rows: used.map((s) => lists[s]),
      scalings: used.map((s) => [0.5, 2][s]),
    });
  };
  await expectSameRows("lowRankRows", run, x, part);
};

/** Checks paged attention, for rows of two sequences. */
const inPages: Check = async (d) => {
  const part = d.part();
  const [heads, kvHeads, size, pageSize, tablePages] = [4, 2, d.of([7, 16, 64]), d.of([2, 16]), 12];
  using k = d.normal(2 * tablePages, pageSize, kvHeads, size);
  using v = d.normal(2 * tablePages, pageSize, kvHeads, size);
  using q = d.normal(part.m, heads, size);
  const { backend } = q.storage;
  const order = Array.from({ length: 2 * tablePages }, (_, page) => (page * 7) % (2 * tablePages));
  using tables = tensor([order.slice(0, tablePages), order.slice(tablePages)], { dtype: "i32", backend });
  const places = Array.from({ length: part.m }, () => [d.int(0, 1), d.int(0, tablePages * pageSize - 1)]);
  using rows = tensor(places, { dtype: "i32", backend });
  const window = d.of([0, 5]);
  const run = (own: Tensor, first: number): Tensor => {
    const at = f.slice(rows, { start: first, end: first + own.shape[0] });
    return f.pagedAttention(own, k, v, tables, at, { window });
  };
  await expectSameRows("pagedAttention", run, q, part);
};

const rowByRow: Check = async (d) => {
  const [part, n] = [d.part(), d.of([d.int(1, 40), 1027])];
  const { m } = part;
  using w = d.normal(n);
  using table = d.normal(7, n);
  using other = d.normal(m, n);
  using x = d.normal(m, n);
  const beside = (t: Tensor, rows: Tensor, from: number) => f.slice(t, { start: from, end: from + rows.shape[0] });
  const numbersOf = (t: Tensor) => f.to(t, { dtype: "f32" });
  const ops: Record<string, (rows: Tensor, first: number) => Tensor> = {
    rmsNorm: (rows) => f.rmsNorm(rows, w, { eps: 1e-5 }),
    layerNorm: (rows) => f.layerNorm(rows, w, w, { eps: 1e-5 }),
    softmax: (rows) => f.softmax(rows, { dim: 1 }),
    logSoftmax: (rows) => f.logSoftmax(rows, { dim: 1 }),
    sum: (rows) => f.sum(rows, { dim: 1 }),
    silu: (rows) => f.silu(rows),
    gelu: (rows) => f.gelu(rows),
    geluTanh: (rows) => f.geluTanh(rows),
    swiglu: (rows, from) => f.swiglu(rows, beside(other, rows, from)),
    geglu: (rows, from) => f.geglu(rows, beside(other, rows, from), {}),
    "geglu, tanh": (rows, from) => f.geglu(rows, beside(other, rows, from), { approximate: "tanh" }),
    add: (rows, from) => f.add(rows, beside(other, rows, from)),
    mul: (rows, from) => f.mul(rows, beside(other, rows, from)),
    "add of a row": (rows) => f.add(rows, w),
    "mul of a row": (rows) => f.mul(rows, w),
    argmax: (rows) => numbersOf(f.argmax(rows, { dim: 1 })),
    embedding: (rows) => f.embedding(table, f.argmax(f.slice(rows, { dim: 1, end: Math.min(n, 7) }), { dim: 1 })),
    sampleTokens: (rows, from) => {
      const generator = new Generator(3);
      generator.offset = from;
      return f.sampleTokens(rows, { generator, temperature: 0.8, topK: 5, topP: 0.9 });
    },
  };
  for (const [name, op] of Object.entries(ops)) await expectSameRows(name, op, x, part);
  using heads = d.normal(m, 1, 2, 7);
  using cos = d.normal(m, 1, 3);
  using sin = d.normal(m, 1, 3);
  const turn = (rows: Tensor, from: number) => f.rope(rows, beside(cos, rows, from), beside(sin, rows, from), {});
  await expectSameRows("rope", turn, heads, part);
};

/** Checks ops on rows as long as a vocabulary, which kernels sum in several parts. */
const longRows: Check = async (d) => {
  const m = d.int(2, 150);
  const part = { m, first: d.int(0, m - 1), count: 1 };
  using x = d.normal(m, 20_000);
  await expectSameRows("sum", (rows) => f.sum(rows, { dim: 1 }), x, part);
  await expectSameRows("logSoftmax", (rows) => f.logSoftmax(rows, { dim: 1 }), x, part);
};

/**
 * Returns tests of a batch-invariant backend: a row of a result must have the same bits alone and among other rows. For
 * each op, random sizes are drawn `rounds` times; they are the same in every run. Pass each test to your test runner:
 * `it(name, run)`.
 */
export function testBatchInvariance(backend: Backend, rounds: number): BackendTest[] {
  const checks: Record<string, Check> = {
    ...Object.fromEntries(
      ["f32", ...Object.keys(storedWeights)].map((format) => [`matmul by ${format}`, byWeight(format)]),
    ),
    ...Object.fromEntries(Object.keys(wideStoredWeights).map((name) => [`matmul by ${name}`, byWeight(name, true)])),
    ...Object.fromEntries(Object.keys(blockFormats).map((format) => [`linearInt8 by ${format}`, byIntegers(format)])),
    "loraLinear and its factors": lowRank,
    "rows of adapters": rowsOfAdapters,
    "attention in pages": inPages,
    "all that goes row by row": rowByRow,
    "long rows": longRows,
  };
  return Object.entries(checks).map(([name, check]) => ({
    name: `rows have the same bits alone and among others: ${name}`,
    run: async () => {
      await prepareStored(backend);
      for (let seed = 1; seed <= rounds; seed++) await check(new Draws(seed, backend));
    },
  }));
}
