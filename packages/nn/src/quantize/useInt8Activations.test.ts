import { Generator, init, noGrad, packedTensor, rand, reference, type Tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { Linear } from "../layers/linear/linear.ts";
import { Module } from "../module/module.ts";
import { Parameter } from "../module/parameter.ts";
import { useInt8Activations } from "./quantize.ts";

class Two extends Module {
  plain: Linear;
  packed: Linear;

  constructor(plain: Linear, packed: Linear) {
    super();
    this.plain = plain;
    this.packed = packed;
  }
}

/** Returns a q8_0 weight whose blocks have scale 1/64 (f16) and ascending bytes. */
function packedWeight(rows: number, blocks: number): Tensor {
  const bytes = Uint8Array.from({ length: rows * blocks * 34 }, (_, i) => (i % 34 < 2 ? [0, 0x24][i % 34] : i % 256));
  return packedTensor(bytes, { shape: [rows, 32 * blocks], dtype: "q8_0" });
}

const uniform = (shape: number[]): Tensor => rand(shape, { generator: new Generator(1), low: -1, high: 1 });

beforeAll(() => init(reference()));

function model(): Two {
  return new Two(
    new Linear(new Parameter(uniform([3, 64]))),
    new Linear(new Parameter(packedWeight(5, 2), { requiresGrad: false }), new Parameter(uniform([5]))),
  );
}

test("layers with packed weights multiply bytes, others numbers", async () => {
  const [rounded, exact] = [model(), model()];
  expect(useInt8Activations(rounded)).toBe(1);
  const x = uniform([4, 64]);
  expect(await rounded.plain.forward(x).data()).toEqual(await exact.plain.forward(x).data());
  const [a, b] = [await rounded.packed.forward(x).data(), await exact.packed.forward(x).data()];
  const error = Math.max(...a.map((v, i) => Math.abs(v - b[i])));
  // Each element has an error of at most 1/254, weights are below 2, and the errors of 64 products hardly ever add up.
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThan(64 * 2 * (1 / 254) * 0.5);
});

test("there is no gradient through bytes", () => {
  const two = model();
  useInt8Activations(two);
  const x = new Parameter(uniform([4, 64]));
  expect(() => two.packed.forward(x).sum().backward()).toThrow(
    'linearInt8: int8 activations have no gradient; train with activations: "f32"',
  );
  expect(() => noGrad(() => two.packed.forward(x))).not.toThrow();
});

test("a model without packed weights is refused", () => {
  expect(() => useInt8Activations(model().plain)).toThrow("no linear layer has a packed weight (nf4 or fp4 or q4_");
});

test("a layer says whether it rounds: not while its weight is full, nor inside of exactly", async () => {
  const { packed, plain } = model();
  expect(packed.isExact).toBe(true);
  const x = uniform([4, 64]);
  const exact = await packed.forward(x).data();
  packed.activations = "int8";
  plain.activations = "int8";
  expect([packed.isExact, plain.isExact]).toEqual([false, true]);
  expect(await packed.forward(x).data()).not.toEqual(exact);
  expect(await packed.exactly(() => packed.forward(x)).data()).toEqual(exact);
  expect(() =>
    packed.exactly(() => {
      throw new Error("stopped");
    }),
  ).toThrow("stopped");
  expect(packed.isExact).toBe(false);
  packed.weight = plain.weight;
  expect(packed.isExact).toBe(true);
});
