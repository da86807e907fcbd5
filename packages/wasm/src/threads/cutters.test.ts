import { expect, it } from "vitest";
import { kernelParameters } from "../kernels/kernelParameters.gen.ts";
import { cutters } from "./cutters.ts";

interface Cut {
  readonly units: number;
  readonly work: number;
  readonly align: number;
  readonly steps: Readonly<Record<string, number>>;
  readonly count?: string;
  readonly end?: string;
  readonly scratch?: string;
}

type Row = readonly [names: string, args: Readonly<Record<string, number>>, cut: Cut];

const each = (names: string, bytes: number) => Object.fromEntries(names.split(" ").map((name) => [name, bytes]));

/** Vectors of floats. Parts are whole cache lines of 16 floats. `cost` is relative to exp. */
const vectors = (names: string, pointers: string, cost: number): Row => [
  names,
  { n: 1000 },
  { units: 1000, work: cost * 1000, align: 16, steps: each(pointers, 4), count: "n" },
];

/** Rows of 50 floats. */
const rows = (names: string, pointers: string): Row => [
  names,
  { rows: 7, n: 50 },
  { units: 7, work: 350, align: 1, steps: each(pointers, 200), count: "rows" },
];

/** Windows of 2 x 3 in planes of 5 x 7; each plane has 4 x 5 windows. */
const windows = (names: string, planes: string, places: string, elements: string): Row => [
  names,
  { planes: 11, height: 5, width: 7, kernelH: 2, kernelW: 3, rows: 4, columns: 5 },
  {
    units: 11,
    work: 11 * 6 * 20,
    align: 1,
    count: "planes",
    steps: {
      ...each(planes, 4 * 35),
      ...(places && each(places, 4 * 20)),
      ...(elements && each(elements, 4 * 120)),
    },
  },
];

/** Broadcast operands in several rows, and in one. Their steps within a row are 0 or 1. */
const planes = (names: string, sizes: Readonly<Record<string, number>>, out: number, cost: number): readonly Row[] => {
  const strides = Object.fromEntries(
    Object.keys(sizes).flatMap((x, i) => [
      [`${x}Row`, 10 + i],
      [`${x}Step`, i % 2],
    ]),
  );
  const grown = (of: (place: number) => number) =>
    Object.fromEntries(Object.entries(sizes).map(([x, size], i) => [x, size * of(i)]));
  return [
    [
      names,
      { rows: 3, n: 100, ...strides },
      { units: 3, work: cost * 300, align: 1, count: "rows", steps: { ...grown((i) => 10 + i), out: out * 100 } },
    ],
    [
      names,
      { rows: 1, n: 100, ...strides },
      { units: 100, work: cost * 100, align: 16, count: "n", steps: { ...grown((i) => i % 2), out } },
    ],
  ];
};

/** A product of 3 x 40 x 50 in integers, whose columns 8 to 39 are computed. */
const product = { m: 3, n: 40, k: 50, first: 8, last: 40 };
const columns = { units: 32, steps: { first: 1 }, end: "last", scratch: "scratch" };

const adam8bit = { ...each("p grad", 4), ...each("m v", 1), ...each("mScales vScales", 4 / 256) };

const table: readonly Row[] = [
  vectors("softplus sin cos exp log tanh sigmoid erf silu gelu geluTanh", "x out", 1),
  vectors("affine clamp sqrt rsqrt reciprocal square abs sign relu", "x out", 1 / 2),
  vectors("siluBackward geluBackward geluTanhBackward", "dy x out", 1),
  vectors("swiglu geglu", "gate up out", 1),
  vectors("swigluBackward gegluBackward", "dy gate up dgate dup", 1),
  vectors("axpy", "x y", 1 / 2),
  vectors("scaleInPlace", "x", 1 / 2),
  vectors("fill", "out", 1 / 4),
  vectors("adagradStep", "p grad sum", 1),
  rows("rmsNorm layerNorm softmax logSoftmax", "x out"),
  rows("rmsNormBackward layerNormBackward", "dy x dx"),
  rows("softmaxBackward logSoftmaxBackward", "dy y dx"),
  ...planes("add sub mul div maximum minimum", { a: 4, b: 4 }, 4, 1 / 2),
  ...planes("compare compareInt", { a: 4, b: 4 }, 1, 1 / 2),
  ...planes("where", { condition: 1, a: 4, b: 4 }, 4, 1 / 2),
  ...planes("pow", { a: 4, b: 4 }, 4, 4),
  windows("unfold", "x", "", "out"),
  windows("fold", "out", "", "x"),
  windows("maxPool2d", "x", "out positions", ""),
  windows("avgPool2d", "x", "out", ""),
  windows("avgPool2dBackward", "dx", "dy", ""),
  [
    "gemmBatched",
    { batch: 5, strideA: 6, strideB: 7, strideC: 9, m: 2, n: 3, k: 4 },
    { units: 5, work: (5 * 24) / 8, align: 1, count: "batch", steps: { a: 24, b: 28, c: 36 } },
  ],
  [
    "attention attentionBackward",
    { first: 2, last: 7, queries: 3, keys: 4, group: 2, size: 10 },
    { ...columns, units: 5, work: (2 * 5 * 2 * 3 * 4 * 10) / 8, align: 1 },
  ],
  [
    "pagedAttention",
    { first: 2, last: 7, group: 2, size: 10, pageSize: 16, tablePages: 3 },
    // The tables are half full: half of the keys, times two multiply-adds.
    { ...columns, units: 5, work: (5 * 2 * 16 * 3 * 10) / 8, align: 1 },
  ],
  [
    "crossEntropyChunk",
    { count: 6, n: 20 },
    { units: 6, work: 120, align: 1, count: "count", steps: { x: 80, indices: 4, losses: 8 } },
  ],
  // A multiply-add of bytes takes half as long as one of floats.
  ["linearInt8 int8Product", product, { ...columns, work: (3 * 40 * 50) / 16, align: 8 }],
  ["nibbleProduct", product, { ...columns, work: (3 * 40 * 50) / 16, align: 32 }],
  ...[0, 1].map(
    (wide): Row => [
      "int16Product",
      { m: 3, rows: 40, columns: 50, first: 8, last: 40, wide },
      { ...columns, work: 6000 / (1.3 * 8), align: wide ? 64 : 8 },
    ],
  ),
  [
    "lowRankRows",
    { inFeatures: 30, outFeatures: 20, first: 3, last: 10 },
    { units: 7, work: (7 * 8 * 50) / 8, align: 1, steps: { first: 1 }, end: "last" },
  ],
  [
    "linearCrossEntropyPart",
    { first: 2, last: 8, rows: 3, width: 20, classes: 50 },
    { ...columns, units: 6, work: (2 * 3 * 20 * 50) / 8, align: 1 },
  ],
  ...[0, 64].map(
    (dhidden): Row => [
      "linearCrossEntropyJoin",
      { dhidden, count: 6, width: 20, parts: 8 },
      {
        units: 6,
        work: 960,
        align: 1,
        count: "count",
        steps: { ...each("labels tops targets", 4), ...each("masses losses", 8), sums: 80, dhidden: dhidden ? 80 : 0 },
      },
    ],
  ),
  [
    "rope",
    { rows: 6, heads: 3, size: 10, half: 5 },
    { units: 6, work: 90, align: 1, count: "rows", steps: { ...each("x out", 120), ...each("cos sin", 20) } },
  ],
  // Blocks of a table have 1024 elements.
  [
    "adamStep sumSquares clipToNorm",
    { first: 2, last: 5 },
    { units: 3, work: 3072, align: 1, steps: { first: 1 }, end: "last" },
  ],
  // Blocks of 256 elements share a scale.
  ["adamStep8bit", { n: 1000 }, { units: 1000, work: 8000, align: 256, count: "n", scratch: "room", steps: adam8bit }],
  ...[0, 64].flatMap((buffer): Row[] => {
    const cut = { units: 1000, work: 1000, align: 16, count: "n" };
    const bytes = buffer ? 4 : 0;
    return [
      ["sgdStep", { n: 1000, buffer }, { ...cut, steps: { ...each("p grad", 4), buffer: bytes } }],
      ["rmspropStep", { n: 1000, buffer }, { ...cut, steps: { ...each("p grad mean", 4), buffer: bytes } }],
    ];
  }),
  ["dropout", { n: 1000 }, { units: 1000, work: 2000, align: 16, count: "n", steps: { x: 4, out: 4, offset: 1 } }],
  // The dtypes f32, f16, bf16, i32, u8 and bool. A part of bytes is a whole cache line.
  ...[4, 2, 2, 4, 1, 1].map(
    (bytes, dtype): Row => [
      "cast",
      { n: 1000, from: dtype, to: 0 },
      { units: 1000, work: 1000, align: 64, count: "n", steps: { x: bytes, out: 4 } },
    ],
  ),
  ["unpackRow", { count: 1000 }, { units: 1000, work: 1000, align: 64, count: "count", steps: { start: 1, dst: 4 } }],
  // A copy of few bytes costs one element, and a copy of many bytes one for each 16.
  ...[8, 16, 320].flatMap((bytes): Row[] => {
    const cut = { units: 6, work: 6 * Math.max(1, bytes / 16), align: 1, count: "count" };
    return [
      ["embedding", { count: 6, bytes }, { ...cut, steps: { ids: 4, out: bytes } }],
      ["copyRows", { count: 6, bytes, scatter: 0 }, { ...cut, steps: { indices: 4, out: bytes } }],
      ["copyRows", { count: 6, bytes, scatter: 1 }, { ...cut, steps: { indices: 4, x: bytes } }],
    ];
  }),
  ...[1, 3].map(
    (outer): Row => [
      "copyBlocks",
      { outer, count: 6, bytes: 320, xOuter: 70, xStep: 71, outOuter: 72, outStep: 73 },
      outer === 1
        ? { units: 6, work: 120, align: 1, count: "count", steps: { x: 71, out: 73 } }
        : { units: 3, work: 360, align: 1, count: "outer", steps: { x: 70, out: 72 } },
    ],
  ),
  ...(["n0", "n1", "n2"] as const).map((count, d): Row => {
    const sizes = [3, 5, 7, 11].map((size, i) => (i < d ? 1 : size));
    const [n0, n1, n2, n3] = sizes;
    const inner = sizes.slice(d + 1).reduce((a, b) => a * b, 1);
    return [
      "permute",
      { n0, n1, n2, n3, s0: 31, s1: 37, s2: 41, size: 2 },
      {
        units: sizes[d],
        work: n0 * n1 * n2 * n3,
        align: d === 2 ? 16 : 1,
        count,
        steps: { x: 2 * [31, 37, 41][d], out: 2 * inner },
      },
    ];
  }),
  [
    "expand",
    { rows: 1, n: 100, rowStride: 9, step: 1 },
    { units: 100, work: 25, align: 16, count: "n", steps: { x: 4, out: 4 } },
  ],
  [
    "expand",
    { rows: 1, n: 100, rowStride: 9, step: 0 },
    { units: 100, work: 25, align: 16, count: "n", steps: { x: 0, out: 4 } },
  ],
  [
    "expand",
    { rows: 3, n: 100, rowStride: 9, step: 1 },
    { units: 3, work: 75, align: 1, count: "rows", steps: { x: 36, out: 400 } },
  ],
  [
    "sumPlane",
    { rows: 3, n: 100, stride: 120, rowStride: 2, step: 0 },
    { units: 3, work: 150, align: 1, count: "rows", steps: { x: 480, sums: 16 } },
  ],
  // Rows are added to each other: to as many sums as a row has columns, or to one.
  ...[0, 1].map(
    (step): Row => [
      "sumPlane",
      { rows: 3, n: 100, stride: 120, rowStride: 0, step },
      { units: step ? 100 : 1, work: 150, align: 16, count: "n", steps: { x: 4, sums: 8 } },
    ],
  ),
  ...[1, 2].map(
    (inner): Row => [
      "cumsum",
      { outer: 6, n: 20, inner },
      { units: inner === 1 ? 6 : 1, work: 120, align: 1, count: "outer", steps: { x: 80, out: 80 } },
    ],
  ),
];

type Rule = (args: Readonly<Record<string, number>>) => Omit<Cut, "steps"> & { steps(): Cut["steps"] };

const flat = table.flatMap(([names, args, cut]) => names.split(" ").map((name) => ({ name, args, cut })));

it.each(flat)("a call of $name with $args is cut as its memory is laid out", ({ name, args, cut }) => {
  const { steps, ...found } = (cutters as Record<string, unknown> as Record<string, Rule>)[name](args);
  const { steps: expected, work, ...facts } = cut;
  const { work: elements, ...others } = found;
  expect(others).toEqual(facts);
  expect(elements).toBeCloseTo(work, 9);
  expect(steps()).toEqual(expected);
});

it("the rules name parameters of their kernels", () => {
  for (const { name, cut } of flat) {
    const named = [...Object.keys(cut.steps), ...[cut.count, cut.end, cut.scratch].filter((one) => one !== undefined)];
    const known: readonly string[] = kernelParameters[name as keyof typeof kernelParameters];
    expect(
      named.filter((parameter) => !known.includes(parameter)),
      name,
    ).toEqual([]);
  }
});

it("every rule is in the table above", () => {
  expect([...new Set(flat.map(({ name }) => name))].sort()).toEqual(Object.keys(cutters).sort());
});
