import { expect, test } from "vitest";
import { NumpyGenerator } from "./numpyGenerator.ts";

// Recorded from NumPy 2.4.6: numpy.random.default_rng(seed).
const checksum = (values: Int32Array): number => values.reduce((sum, value) => (sum * 31 + value) % 1000003, 0);

test.each([
  [0, 11749869230777074271n, 4976686463289251617n],
  [42, 14276969152011380360n, 8095878257575067585n],
  [4294967295, 4647538520743280031n, 4041050679407036418n],
  [4294967296, 16412783775159424549n, 10277383025879800780n],
  [123456789012, 10442050190638768665n, 1543454933748037150n],
  [9007199254740991, 14504086537174452373n, 11184320671718615185n],
] as const)("the numbers of seed %i are NumPy's, the low half of each first", (seed, first, second) => {
  const generator = new NumpyGenerator(seed);
  for (const number of [first, second]) {
    expect([generator.random(), generator.random()].map(BigInt)).toEqual([number & 0xffffffffn, number >> 32n]);
  }
});

test.each([
  { seed: 42, count: 256, size: 232, first: [201, 237, 4, 230, 239, 176], sum: 370030 },
  { seed: 0, count: 16, size: 4, first: [4, 7, 11, 8], sum: 126240 },
  { seed: 7, count: 8, size: 3, first: [5, 4, 7], sum: 4936 },
  { seed: 123456789012, count: 20000, size: 10000, first: [7856, 13044, 19964, 15768, 14285, 7994], sum: 313609 },
  { seed: 5, count: 20000, size: 100, first: [17890, 11373, 15898, 10050, 19903, 14947], sum: 446874 },
  { seed: 5, count: 20000, size: 400, first: [7606, 8380, 15861, 16452, 1454, 3268], sum: 890230 },
  { seed: 5, count: 20000, size: 401, first: [18888, 6347, 3165, 3791, 8840, 4923], sum: 21761 },
  { seed: 5, count: 10000, size: 9999, first: [6431, 5663, 3700, 4422, 4646, 9742], sum: 67768 },
  { seed: 1, count: 12, size: 12, first: [11, 1, 9, 6, 0, 7], sum: 111284 },
  { seed: 3, count: 1, size: 1, first: [0], sum: 0 },
  { seed: 2, count: 10001, size: 200, first: [4899, 7750, 1842, 6066, 6578, 8275], sum: 626795 },
  { seed: 2, count: 10001, size: 201, first: [7506, 2057, 9415, 1450, 8515, 66], sum: 952797 },
  { seed: 9, count: 20000, size: 20000, first: [8487, 6152, 18596, 926, 18766, 18283], sum: 12114 },
  { seed: 4, count: 5, size: 0, first: [], sum: 0 },
])("choice of $size from $count with seed $seed", ({ seed, count, size, first, sum }) => {
  const values = new NumpyGenerator(seed).choice(count, size);
  expect([...values.slice(0, 6)]).toEqual(first);
  expect([values.length, new Set(values).size, checksum(values)]).toEqual([size, size, sum]);
});

test.each([
  { seed: 42, count: 1000, first: [978, 933, 859, 916, 127, 608], sum: 455561 },
  { seed: 0, count: 2, first: [0, 1], sum: 1 },
  { seed: 0, count: 1, first: [0], sum: 0 },
  { seed: 1099511627783, count: 65536, first: [20684, 53797, 23369, 30749, 13085, 10517], sum: 489857 },
  { seed: 11, count: 65537, first: [29335, 45748, 4413, 62856, 24877, 41604], sum: 192381 },
  { seed: 3, count: 1000000, first: [199324, 558177, 725969, 424404, 359130, 933493], sum: 603500 },
])("shuffle of $count with seed $seed", ({ seed, count, first, sum }) => {
  const values = Int32Array.from({ length: count }, (_, i) => i);
  new NumpyGenerator(seed).shuffle(values);
  expect([...values.slice(0, 6)]).toEqual(first);
  expect(checksum(values)).toBe(sum);
});

test("a shuffle after a choice uses the half of a number that the choice left over", () => {
  const generator = new NumpyGenerator(8);
  expect([...generator.choice(300, 101).slice(0, 4)]).toEqual([236, 277, 6, 221]);
  const values = Int32Array.from({ length: 50 }, (_, i) => i);
  generator.shuffle(values);
  expect([...values.slice(0, 6)]).toEqual([30, 48, 39, 47, 10, 24]);
});

test.each([-1, 0.5, 2 ** 53])("the seed %d is refused", (seed) => {
  expect(() => new NumpyGenerator(seed)).toThrow(`seed is ${seed}; it must be an integer of at least 0`);
});
