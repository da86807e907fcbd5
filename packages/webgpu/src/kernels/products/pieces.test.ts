import { byteLength, collapse, type DType, type Shape, sizeOf } from "@lowrank/core/backend";
import { beforeAll, describe, expect, it } from "vitest";
import type { GpuTensor } from "../../kernel/kernel.ts";
import { knowFormats } from "../../testing/knowFormats.ts";
import { bytesSeen } from "../../wgsl/window.ts";
import { type Product, piecesOf, stridesOf } from "./pieces.ts";

beforeAll(knowFormats);

function tensorOf(shape: Shape, dtype: DType = "f32"): GpuTensor {
  const bytes = byteLength({ shape, dtype });
  const slab = { id: 0, buffer: {} as never, bytes: bytes + 64, lastBatch: -1 };
  return { shape, dtype, size: sizeOf(shape), buffer: { bytes, slab, freed: false } };
}

/** Integers without a pattern, whose sums are exact. */
const numbers = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => ((i * 7919 + seed * 104729) % 19) - 9);

/** Computes a product by plain loops, from the elements of whole buffers, like a kernel for one matrix of a batch. */
function multiply(
  given: Product,
  [a, w, out]: readonly number[][],
  at: readonly [a: number, w: number, out: number] = [0, 0, 0],
): void {
  const { m, n, k, transposeA, transposeB, ending = "sum", scale = 1, start = {} } = given;
  const stride = stridesOf(given);
  const first = (tensor: GpuTensor, own = 0): number => (tensor.window?.offset ?? 0) / 4 + own;
  const [fromA, fromW, to] = [
    first(given.a, start.a) + at[0],
    first(given.w, start.w) + at[1],
    first(given.out, start.out) + at[2],
  ];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) {
        const left = a[fromA + (transposeA ? p * stride.a + i : i * stride.a + p)];
        sum += left * w[fromW + (transposeB ? j * stride.w + p : p * stride.w + j)];
      }
      const place = to + i * stride.out + j;
      if (ending.endsWith("scaled")) sum *= scale;
      out[place] = ending.startsWith("added") ? out[place] + sum : sum;
    }
  }
}

/** Throws if a piece reads or writes outside its views. */
function expectSeen(given: Product): void {
  const { m, n, k, transposeA, transposeB, start = {} } = given;
  const stride = stridesOf(given);
  const ends = {
    a: transposeA ? (k - 1) * stride.a + m : (m - 1) * stride.a + k,
    w: transposeB ? (n - 1) * stride.w + k : (k - 1) * stride.w + n,
    out: (m - 1) * stride.out + n,
  };
  for (const name of ["a", "w", "out"] as const) {
    const { window } = given[name];
    if (window) expect(4 * ((start[name] ?? 0) + ends[name]), name).toBeLessThanOrEqual(window.bytes);
    expect((window?.offset ?? 0) % 256).toBe(0);
  }
}

const cases = [
  { m: 40, n: 24, k: 16 },
  { m: 7, n: 300, k: 9 },
  { m: 300, n: 7, k: 9 },
  { m: 5, n: 6, k: 700 },
  { m: 30, n: 129, k: 33 },
  { m: 3, n: 260, k: 90 },
];
const ways = [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ transposeA, transposeB })));

describe("the pieces of a product", () => {
  it.each(cases.flatMap((sizes) => ways.map((way) => ({ ...sizes, ...way }))))(
    "of %o give the whole, and each fits",
    (sizes) => {
      const { m, n, k, transposeA, transposeB } = sizes;
      const given: Product = {
        ...sizes,
        a: tensorOf(transposeA ? [k, m] : [m, k]),
        w: tensorOf(transposeB ? [n, k] : [k, n]),
        out: tensorOf([m, n]),
      };
      const [a, w] = [numbers(m * k, 1), numbers(k * n, 2)];
      const before = numbers(m * n, 3);
      for (const ending of ["sum", "added", "scaled"] as const) {
        const product = { ...given, ending, scale: 3 };
        const whole = [...before];
        multiply(product, [a, w, whole]);
        for (const most of [1536, 4096, 8192]) {
          const pieces = piecesOf(product, most);
          const found = [...before];
          for (const piece of pieces) {
            expectSeen(piece);
            multiply(piece, [a, w, found]);
          }
          expect(found, `${most} bytes, ${ending}`).toEqual(whole);
          const fits = [given.a, given.w, given.out].every((tensor) => bytesSeen(tensor) <= most);
          if (fits) expect(pieces).toEqual([product]);
          // Rows of 260 elements are too long for 1536 bytes with alignment.
          else if (most >= 4096) {
            expect(pieces.length).toBeGreaterThan(1);
            for (const piece of pieces) {
              for (const tensor of [piece.a, piece.w, piece.out]) expect(bytesSeen(tensor)).toBeLessThanOrEqual(most);
            }
          }
        }
      }
    },
  );

  it("of a batch are its matrices, of which operands may be shared", () => {
    for (const way of ways) {
      const { transposeA, transposeB } = way;
      const [m, n, k] = [20, 30, 10];
      const given: Product = {
        ...{ ...way, m, n, k },
        a: tensorOf([4, 1, ...(transposeA ? [k, m] : [m, k])]),
        w: tensorOf([3, ...(transposeB ? [n, k] : [k, n])]),
        out: tensorOf([4, 3, m, n]),
        batch: collapse(
          [4, 3],
          [
            [4, 1],
            [1, 3],
          ],
        ),
      };
      const [a, w] = [numbers(4 * m * k, 1), numbers(3 * k * n, 2)];
      const [whole, found] = [0, 0].map(() => new Array<number>(12 * m * n).fill(0));
      const one = { ...given, batch: undefined };
      for (let i = 0; i < 4; i++) {
        for (let j = 0; j < 3; j++) multiply(one, [a, w, whole], [i * m * k, j * k * n, (3 * i + j) * m * n]);
      }
      const pieces = piecesOf(given, 4096);
      expect(pieces.length).toBeGreaterThanOrEqual(12);
      for (const piece of pieces) {
        expectSeen(piece);
        multiply(piece, [a, w, found]);
        for (const tensor of [piece.a, piece.w, piece.out]) expect(bytesSeen(tensor)).toBeLessThanOrEqual(4096);
      }
      expect(found).toEqual(whole);
      expect(piecesOf(given, 2 ** 20)).toEqual([given]);
    }
  });

  it("with a packed weight are cut by whole tiles of 128 rows, or not at all", () => {
    // A row of 64 elements of q8_0 has 68 bytes.
    const given: Product = {
      ...{ m: 4, n: 1000, k: 64, transposeB: true },
      ...{ a: tensorOf([4, 64]), w: tensorOf([1000, 64], "q8_0"), out: tensorOf([4, 1000]) },
    };
    const pieces = piecesOf(given, 20_000);
    expect(pieces.map(({ n, start }) => [n, start?.w])).toEqual([
      [256, 0],
      [256, 0],
      [256, 0],
      [232, 0],
    ]);
    expect(pieces.map(({ w }) => w.window?.offset)).toEqual([0, 256 * 68, 512 * 68, 768 * 68]);
    // Fewer than 128 rows fit.
    const one = { ...given, m: 1, a: tensorOf([1, 64]), out: tensorOf([1, 1000]) };
    expect(piecesOf(one, 9215)).toEqual([one]);
    expect(piecesOf(one, 9216)).toHaveLength(8);
    // Codes and scales of nf4 are stored separately.
    const nf4 = { ...given, w: { ...given.w, dtype: "nf4" } as const };
    expect(piecesOf(nf4, 20_000)).toEqual([nf4]);
  });
});

it("rows of a product's tensors are next to each other, unless it is told otherwise", () => {
  const x = tensorOf([1]);
  const sizes = { m: 2, n: 3, k: 5, a: x, w: x, out: x };
  expect(stridesOf(sizes)).toEqual({ a: 5, w: 3, out: 3 });
  expect(stridesOf({ ...sizes, transposeA: true, transposeB: true })).toEqual({ a: 2, w: 5, out: 3 });
  expect(stridesOf({ ...sizes, stride: { a: 7, w: 8, out: 9 } })).toEqual({ a: 7, w: 8, out: 9 });
});
