import type { TensorSpec } from "@lowrank/core/backend";

/** A call that a record lists without data: the op, its inputs such as "f32[2,3]", and its parameters. */
export type SpecCall = readonly [op: string, inputs: string, params?: unknown];

/** Returns the inputs of a call. An nf4 weight has blocks of 64 elements. */
export function specsOf(inputs: string): TensorSpec[] {
  return [...inputs.matchAll(/(\w+)\[([\d,]*)\]/g)].map(([, dtype, sizes]) => ({
    shape: sizes === "" ? [] : sizes.split(",").map(Number),
    dtype: dtype as TensorSpec["dtype"],
    ...(dtype === "nf4" && { packing: { blockSize: 64, nested: false } }),
  }));
}

const wants = { hidden: true, weight: true };
const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 3, decoupled: true };
const adam8bit = (n: number, blocks: number): SpecCall => [
  "adamStep8bit",
  `f32[${n}] f32[${n}] u8[${n}] u8[${n}] f32[${blocks}] f32[${blocks}] f32[256] f32[256]`,
  adam,
];
const loss = (rows: number, width: number, classes: number): SpecCall => [
  "linearCrossEntropy",
  `f32[${rows},${width}] f32[${classes},${width}] i32[${rows}]`,
  { wants },
];
const attention = (queries: number, size: number): SpecCall => [
  "attention",
  `f32[1,${queries},2,${size}] f32[1,5,1,${size}] f32[1,5,1,${size}]`,
  {},
];
const sum = (rows: number, count: number): SpecCall => ["sumToShape", `f32[${rows},${count}]`, { shape: [rows, 1] }];

/** Calls at the sizes where kernels change how they compute. */
export const sizedCalls: readonly SpecCall[] = [
  ...[4_194_240, 4_194_241, 8_388_480, 8_388_481].map((n): SpecCall => ["exp", `f32[${n}]`]),
  ...[3, 4].flatMap((queries) => [64, 65, 256].map((size) => attention(queries, size))),
  ["pagedAttention", "f32[2,6,130] f32[4,16,3,130] f32[4,16,3,130] i32[2,2] i32[2,2]", {}],
  ...[
    [128, 16_384],
    [128, 16_385],
    [129, 16_385],
    [3, 40_000],
    [5, 0],
  ].map(([rows, count]) => sum(rows, count)),
  // Rows of the logits: all, in chunks of whole tiles, one tile, less than a tile, and one.
  loss(100, 4, 1000),
  loss(70_000, 4, 8),
  loss(9000, 4, 1001),
  loss(65, 4, 131_072),
  loss(130, 4, 65_537),
  loss(70, 4, 131_073),
  loss(3, 1, 9_000_000),
  loss(0, 4, 9),
  ["quantize4bit", "f32[16640,64]", { doubleQuant: true }],
  ["quantize4bit", "f32[16777248,64]", { doubleQuant: true }],
  ["scatterAdd", "f32[3,130] i32[3,130]", { dim: 0, shape: [5, 130] }],
  ...[0, 1].flatMap((n): SpecCall[] => [
    ["scatterAdd", `f32[${n}] i32[${n}]`, { dim: 0, shape: [3] }],
    ["embeddingBackward", `f32[${n},1] i32[${n}]`, { vocab: 3 }],
    ["crossEntropy", `f32[${n},5] i32[${n}]`, {}],
    ["copyInto", `f32[${n}] f32[${n}]`],
    ["cacheWrite", `f32[2,3,1] f32[2,${n},1]`, { position: [1, 2] }],
  ]),
  ["cacheWrite", "f32[2,3,1] f32[2,1,1]", { position: 1 }],
  ["cacheWrite", "f32[0,3,1] f32[0,1,1]", { position: 1 }],
  ["inRange", "i32[5]", { low: -1e12, high: 1e12 }],
  [
    "lowRankRows",
    "f32[3,5] f32[3,9] f32[2,9] f32[5,2] f32[3,9] f32[5,3] f32[4,9] f32[5,4]",
    { rows: [[0], [1], [2]], scalings: [1, 2, 3] },
  ],
  ...["1,9", "2,9"].map((x): SpecCall => ["loraLinear", `f32[${x}] f32[50,9] f32[20,9] f32[50,20]`, { scaling: 2 }]),
  ...[1, 2].flatMap((m): SpecCall[] => [["matmul", `f32[${m},64] nf4[64,128]`, {}]]),
  ["matmul", "f32[3,0] f32[0,4]", {}],
  ...[254, 255].map(
    (n): SpecCall => ["dropout", `f32[${n}]`, { p: 0.5, state: { seed: 7, stream: [1, 2], offset: 3 } }],
  ),
  adam8bit(1024, 4),
];

/** A call that is cut between blocks of 256 elements, if a kernel binds at most 256 KiB. */
export const blockCalls: readonly SpecCall[] = [adam8bit(131_072, 512)];

/** Calls with tensors that just fit into a binding of 16 KiB, or must be cut. */
export const cutCalls: readonly SpecCall[] = [
  ["exp", "f32[4096]"],
  ["exp", "f32[4097]"],
  ["cumsum", "f32[2,3008]", { dim: 1 }],
  ["slice", "f32[64,64]", { dim: 0, start: 3, end: 60 }],
  ["place", "f32[3,64]", { dim: 0, size: 64, start: 3 }],
  ["slice", "f32[600,16]", { dim: 0, start: 3, end: 590 }],
  ["place", "f32[3,16]", { dim: 0, size: 600, start: 3 }],
  ["place", "f32[4,7]", { dim: 0, size: 1300, start: 5 }],
  ["place", "f32[300,1,7]", { dim: 0, size: 1300, start: 5, step: 2 }],
  ["place", "f32[1,7]", { dim: 0, size: 1300, start: 700 }],
  ["matmul", "f32[64,4] f32[4,64]", {}],
  ["matmul", "f32[3,64,40] f32[40,64]", { transposeA: false }],
  loss(300, 20, 10),
  ["adamStep", `${"f32[5000] ".repeat(4)}${"f32[300] ".repeat(4)}`, adam],
];
