import { expect, test } from "vitest";
import { TorchGenerator } from "../random/torchGenerator.ts";
import { type MergeKind, mergeTasks, type PruneOptions } from "./mergeTasks.ts";

const options = (more: Partial<PruneOptions> = {}): PruneOptions => ({
  density: 0.5,
  majoritySignMethod: "total",
  generator: new TorchGenerator(5),
  ...more,
});
const merged = (kind: MergeKind, tasks: number[][], weights: number[], more?: Partial<PruneOptions>) => {
  const arrays = tasks.map((task) => Float32Array.from(task));
  return [...mergeTasks(kind, arrays, weights, options(more))];
};

test("linear is the weighted sum, negative weights too", () => {
  expect(
    merged(
      "linear",
      [
        [1, 2, -4],
        [8, 0, 2],
      ],
      [0.5, -0.25],
    ),
  ).toEqual([-1.5, 1, -2.5]);
});

test("magnitude_prune keeps the largest of each, rounding their number down", () => {
  const tasks = [
    [1, -5, 3, 2, 0],
    [4, 1, -1, 1, -6],
  ];
  expect(merged("magnitude_prune", tasks, [1, 10])).toEqual([40, -5, 3, 0, -60]);
  expect(merged("magnitude_prune", tasks, [1, 10], { density: 0.1 })).toEqual([0, 0, 0, 0, 0]);
  expect(merged("magnitude_prune", [[2, 2, -2, 2]], [1])).toEqual([2, 2, 0, 0]);
});

test("ties averages over those that have the sign that wins", () => {
  const tasks = [
    [5, -1, 2, 0],
    [-4, -3, 1, 0],
    [-3, 2, 3, 0],
  ];
  // Majority signs by sum: -, -, +, +; by count: -, -, +, +.
  expect(merged("ties", tasks, [1, 2, 4], { density: 1 })).toEqual([-10, -3.5, Math.fround(16 / 3), 0]);
  const outvoted = [
    [9, 1],
    [-1, 1],
    [-2, -5],
  ];
  expect(merged("ties", outvoted, [1, 1, 1], { density: 1 })).toEqual([9, -5]);
  expect(merged("ties", outvoted, [1, 1, 1], { density: 1, majoritySignMethod: "frequency" })).toEqual([-1.5, 1]);
  expect(
    merged(
      "ties",
      [
        [5, 1],
        [1, -7],
      ],
      [1, 1],
    ),
  ).toEqual([5, -7]);
});

test("ties takes the plus sign where votes are even, as PEFT does", () => {
  for (const majoritySignMethod of ["total", "frequency"] as const) {
    const even = [
      [3, -2],
      [-3, 2],
    ];
    expect(merged("ties", even, [1, 1], { density: 1, majoritySignMethod })).toEqual([3, 2]);
  }
  const small = [
    [0.5, -0.5],
    [-0.25, 0.25],
  ];
  expect(merged("ties", small, [1, 1], { density: 1 })).toEqual([0.5, -0.5]);
});

test("dare keeps what PyTorch's bernoulli keeps, scaled up", () => {
  // torch.manual_seed(5); torch.bernoulli(torch.full((20,), 0.3))
  const kept = [0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
  const share = Math.fround(0.3);
  const [ones] = [new Array(20).fill(1)];
  expect(merged("dare_linear", [ones], [1], { density: 0.3 })).toEqual(kept.map((one) => Math.fround(one / share)));
  expect(merged("dare_ties", [ones.map((x) => -x)], [2], { density: 0.3 })).toEqual(
    kept.map((one) => (one === 0 ? 0 : 2 * Math.fround(-1 / share))),
  );
});

test("dare leaves the mean as it was", () => {
  const many = Array.from({ length: 40000 }, (_, i) => 1 + (i % 3));
  const result = merged("dare_linear", [many, many], [0.5, 0.5], { density: 0.4 });
  const mean = result.reduce((sum, value) => sum + value) / result.length;
  // Standard deviation of the mean: sqrt(E x² (1/p - 1) / 2 / n) = 0.0093.
  expect(Math.abs(mean - 2)).toBeLessThan(4 * 0.0093);
  expect(result.filter((value) => value === 0).length / result.length).toBeCloseTo(0.36, 2);
});

test("dare drops an element whose draw equals the density, as bernoulli does", () => {
  const [draw] = new TorchGenerator(5).uniform(1, 0, 1);
  expect(merged("dare_linear", [[1]], [1], { density: draw })).toEqual([0]);
  expect(merged("dare_linear", [[1]], [1], { density: draw + 2 ** -23 })[0]).toBeGreaterThan(0);
});

test("a density of 1 prunes nothing, NaN neither", () => {
  expect(merged("magnitude_prune", [[Number.NaN, 1]], [1], { density: 1 })).toEqual([Number.NaN, 1]);
  const kinds = ["magnitude_prune", "dare_linear"] as const;
  for (const kind of kinds) expect(merged(kind, [[1, 2, 3]], [2], { density: 1 })).toEqual([2, 4, 6]);
});
