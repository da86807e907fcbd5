import { Generator, init, log, reference, type SamplingOptions, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { drawn, filterLogProbabilities } from "./beamSearch.ts";

beforeAll(async () => {
  await init(reference());
});

test("two of three are drawn as often as by one after the other, without replacement", () => {
  const p = [0.5, 0.3, 0.2];
  const rows = 20_000;
  const scores = log(tensor(Array.from({ length: rows }, () => p)));
  const { positions, values } = drawn(scores, 2, new Generator(3));
  const chosen = positions.dataSync();
  const counts = new Map<string, number>();
  for (let row = 0; row < rows; row++) {
    const pair = `${chosen[2 * row]}${chosen[2 * row + 1]}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  for (const [pair, count] of counts) {
    const [first, second] = Array.from(pair, (digit) => p[Number(digit)]);
    const share = (first * second) / (1 - first);
    // A tolerance of four standard deviations.
    expect(Math.abs(count / rows - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / rows));
  }
  expect(values.dataSync()[0]).toBeCloseTo(Math.log(p[chosen[0]]), 6);
});

test("log-probabilities are divided by the temperature, which is 1 by default", () => {
  const scores = () => tensor([[-1, -4, -2]]);
  const filtered = (...args: [options: SamplingOptions, least: number]) => [
    ...filterLogProbabilities(scores(), ...args).dataSync(),
  ];
  expect(filtered({}, 1)).toEqual([-1, -4, -2]);
  expect(filtered({ temperature: 2 }, 1)).toEqual([-0.5, -2, -1]);
  expect(filtered({ topK: 1 }, 1)).toEqual([-1, -Infinity, -Infinity]);
  expect(filtered({ topK: 1, temperature: 0.5 }, 2)).toEqual([-2, -Infinity, -4]);
});

test("what has no probability is drawn last", () => {
  const scores = tensor([[-Infinity, 0, -Infinity, -1]]);
  const { positions, values } = drawn(scores, 3, new Generator(1));
  expect([...positions.dataSync().slice(0, 2)].sort()).toEqual([1, 3]);
  expect(values.dataSync()[2]).toBe(-Infinity);
});
