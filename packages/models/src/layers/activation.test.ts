import { gelu, geluTanh, init, mul, reference, relu, silu, tensor } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { activate, gatedUnit } from "./activation.ts";

beforeAll(() => init(reference()));

const [gate, up] = [
  [-1.5, -0.2, 0, 0.7, 3],
  [2, -1, 0.5, 1.5, -0.25],
];

it.each([
  ["silu", silu],
  ["gelu", gelu],
  ["gelu_new", geluTanh],
  ["gelu_pytorch_tanh", geluTanh],
  ["relu", relu],
] as const)("a unit gated by %s is the activation of its gate times up", (name, f) => {
  const [g, u] = [tensor(gate), tensor(up)];
  const expected = [...mul(f(g), u).dataSync()];
  expect([...activate(name, g).dataSync()]).toEqual([...f(g).dataSync()]);
  for (const [i, v] of gatedUnit(name, g, u).dataSync().entries()) expect(v).toBeCloseTo(expected[i], 6);
});
