import { Generator, init, ones, reference } from "@lowrank/core";
import { Conv1D, Embedding, LayerNorm, Linear, type Module, Parameter, Sequential } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { probeOf } from "./layerAnswers.ts";

beforeAll(() => init(reference()));

const weight = (...shape: number[]) => new Parameter(ones(shape));
const probe = (module: Module, rows?: number[]) => {
  const found = probeOf(module, new Generator(3), rows);
  return found && { shape: [...found.x.shape], terms: found.terms, values: [...found.x.dataSync()].map(Number) };
};

test("layers of few outputs are asked 64 times, others 8 times", () => {
  expect(probe(new Linear(weight(7, 5)))).toMatchObject({ shape: [64, 5], terms: 5 });
  expect(probe(new Linear(weight(8, 5)))).toMatchObject({ shape: [8, 5], terms: 5 });
  expect(probe(new Conv1D(weight(5, 7), weight(7)))).toMatchObject({ shape: [64, 5], terms: 5 });
  expect(probe(new Conv1D(weight(5, 8), weight(8)))).toMatchObject({ shape: [8, 5], terms: 5 });
  expect(probe(new LayerNorm(weight(9), weight(9), 1e-5))).toMatchObject({ shape: [8, 9], terms: 9 });
  expect(probe(new LayerNorm(weight(7), weight(7), 1e-5))).toMatchObject({ shape: [64, 7], terms: 7 });
  expect(probe(new Embedding(weight(30, 7)))).toMatchObject({ shape: [64], terms: 1 });
  expect(probe(new Embedding(weight(30, 8)))).toMatchObject({ shape: [8], terms: 1 });
  expect(probe(new Sequential())).toBe(null);
});

test("inputs of linear layers are normal", () => {
  const { values } = probe(new Linear(weight(4, 100)))!;
  const mean = values.reduce((a, b) => a + b) / values.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length).toBeCloseTo(1, 1);
});

test("half of the ids are among the rows, and all are in the table", () => {
  const any = probe(new Embedding(weight(12, 4)))!.values;
  expect([Math.min(...any), Math.max(...any)]).toEqual([0, 11]);
  const { values } = probe(new Embedding(weight(12, 4)), [3, 10])!;
  const even = values.filter((_, i) => i % 2 === 0);
  const odd = values.filter((_, i) => i % 2 === 1);
  expect([...new Set(even)].sort((a, b) => a - b)).toEqual([3, 10]);
  expect(new Set(odd).size).toBeGreaterThan(6);
  expect([Math.min(...odd) >= 0, Math.max(...odd) <= 11]).toEqual([true, true]);
});
