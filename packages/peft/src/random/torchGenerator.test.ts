import { expect, test } from "vitest";
import { roundToBf16, TorchGenerator } from "./torchGenerator.ts";

// Recorded from PyTorch 2.15: torch.empty(4).uniform_(-bound, bound, generator=...) and
// torch.randperm(n, generator=...).
test.each([
  {
    seed: 0,
    bound: 0.4330127,
    values: [-0.0032418882474303246, 0.23228688538074493, -0.35638898611068726, -0.31867092847824097],
  },
  {
    seed: -5,
    bound: 0.1,
    values: [0.08616302162408829, 0.03214484453201294, 0.09615377336740494, 0.08648194372653961],
  },
  {
    seed: 2 ** 40 + 7,
    bound: 0.3,
    values: [0.020953524857759476, -0.1807180941104889, 0.09552702307701111, 0.09413416683673859],
  },
])("uniform numbers of seed $seed are PyTorch's to the last bit", ({ seed, bound, values }) => {
  expect([...new TorchGenerator(seed).uniform(4, -bound, bound)]).toEqual(values);
});

test("bf16 numbers are rounded, and those that round to the upper bound become the lower bound", () => {
  const bound = 1 / Math.sqrt(8);
  const values = new TorchGenerator(777).uniformBf16(20000, -bound, bound);
  expect([...values.slice(0, 4)]).toEqual([-0.294921875, -0.006256103515625, -0.068359375, -0.08056640625]);
  expect([58, 323, 966].map((i) => values[i])).toEqual([-0.353515625, -0.353515625, -0.353515625]);
  expect(Math.max(...values)).toBeLessThan(0.353515625);
});

test.each([
  [1.00390625, 1],
  [1.01171875, 1.015625],
  [-0.1, -0.10009765625],
  [0, 0],
])("%f rounds to the bf16 number %f", (value, rounded) => {
  expect(roundToBf16(value)).toBe(rounded);
});

test("the state is renewed as PyTorch renews it", () => {
  const values = new TorchGenerator(1234567).uniform(2000, -0.25, 0.25);
  expect([...values.slice(-4)]).toEqual([
    0.127398282289505, -0.1422743797302246, 0.04905238747596741, -0.23999717831611633,
  ]);
});

test.each([
  { seed: 777, n: 1024, values: [103, 249, 319, 701, 999, 360, 217, 998] },
  { seed: 0, n: 5, values: [4, 0, 1, 3, 2] },
  { seed: -3, n: 50, values: [1, 48, 7, 19, 15, 45] },
  { seed: 777, n: 25165824, values: [1374311, 8240030, 15154851, 6474767, 14786179, 14782930] },
])("randperm of $n with seed $seed", ({ seed, n, values }) => {
  expect([...new TorchGenerator(seed).randperm(n, values.length)]).toEqual(values);
});

// Recorded from PyTorch 2.15: the last values of torch.normal(mean=0.0, std=std, size=(n,), generator=...).
test.each([
  {
    seed: 42,
    n: 5,
    std: 0.5,
    values: [0.06440470367670059, 0.11723118275403976, 0.11516651511192322, -0.5614281892776489],
  },
  {
    seed: -3,
    n: 15,
    std: Math.SQRT1_2,
    values: [-0.5415474772453308, 0.2679155468940735, 0.5295831561088562, 1.4949171543121338],
  },
  {
    seed: 2 ** 40 + 5,
    n: 20,
    std: 3,
    values: [2.234330892562866, 0.0949706882238388, -3.517242908477783, -4.5208210945129395],
  },
])("$n normal numbers of standard deviation $std", ({ seed, n, std, values }) => {
  const found = [...new TorchGenerator(seed).normal(n, std)].slice(-4);
  // Fewer than 16 are PyTorch's to the last bit.
  for (const [i, x] of found.entries()) expect(Math.abs(x - values[i])).toBeLessThanOrEqual(n < 16 ? 0 : 1e-6);
});

test("a whole permutation holds each number once", () => {
  expect([...new TorchGenerator(3).randperm(1000, 1000)].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
});

test("a seed that is no integer is refused", () => {
  expect(() => new TorchGenerator(0.5)).toThrow("TorchGenerator: seed is 0.5; it must be an integer");
});

test.each([1, 2, 3, 4, 5])("a permutation with seed %i swaps each number but the last with a drawn one", (seed) => {
  const [one, other] = [new TorchGenerator(seed), new TorchGenerator(seed)];
  const numbers = [0, 1, 2, 3, 4, 5];
  for (let i = 0; i < 5; i++) {
    const drawn = i + (other.random() % (6 - i));
    [numbers[i], numbers[drawn]] = [numbers[drawn], numbers[i]];
  }
  expect([...one.randperm(6, 6)]).toEqual(numbers);
  expect(one.random()).toBe(other.random());
});

test("the largest permutation is PyTorch's limit", () => {
  const draw = new TorchGenerator(8).random();
  expect([...new TorchGenerator(8).randperm(214748364, 1)]).toEqual([draw % 214748364]);
  expect(() => new TorchGenerator(8).randperm(214748365, 1)).toThrow(
    "TorchGenerator: randperm of 214748365 is not supported; the most is 214748364",
  );
});
