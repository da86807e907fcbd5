import { currentBackend, Generator, init, randn, reference, scope, tensor } from "@lowrank/core";
import { Linear, Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { FourierFTConfig } from "./fourierftConfig.ts";
import { Hartley } from "./hartley.ts";

beforeAll(() => init(reference()));

const turn = (i: number, k: number, n: number) => (2 * Math.PI * ((i * k) % n)) / n;

test.each([1, 2, 7, 12, 30, 64, 97])("a Hartley transform of %i numbers is the sum that defines it", (n) => {
  const x = randn([3, n], { generator: new Generator(n) });
  const numbers = x.dataSync();
  const actual = new Hartley(n, currentBackend(), "test").transform(x).dataSync();
  for (let row = 0; row < 3; row++) {
    for (let k = 0; k < n; k++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += numbers[row * n + i] * (Math.cos(turn(i, k, n)) + Math.sin(turn(i, k, n)));
      expect(Math.abs(actual[row * n + k] - sum)).toBeLessThan(2e-6 * n);
    }
  }
});

test("a length with a large prime in it is refused by the layer's name", () => {
  expect(() => new Hartley(2 * 4099, currentBackend(), "lm_head")).toThrow(
    "lm_head: a Fourier transform of size 8198 would need a table of 4099 x 4099 values, which is too large; leave the layer out",
  );
});

test("the weight gets the real part of the spectrum's inverse Fourier transform", async () => {
  const config = new FourierFTConfig({ nFrequency: 9, scaling: 7, randomLocSeed: 3, targetModules: ["layers.0.up"] });
  const model = new TinyModel();
  const up = model.layers.at(0).up as Linear;
  const [out, inputs] = up.weight.shape;
  const before = up.weight.dataSync().slice();
  const peft = await getPeftModel(model, config, { generator: new Generator(8) });
  const [spectrum] = [...peft.adapterTensors().values()].map((t) => t.dataSync());
  await peft.mergeAndUnload();
  const after = up.weight.dataSync();
  const places = new TorchGenerator(3).randperm(out * inputs, 9);
  for (let j = 0; j < out; j++) {
    for (let k = 0; k < inputs; k++) {
      let sum = 0;
      for (const [l, place] of places.entries()) {
        sum += spectrum[l] * Math.cos(turn(Math.floor(place / inputs), j, out) + turn(place % inputs, k, inputs));
      }
      const expected = before[j * inputs + k] + (7 * sum) / (out * inputs);
      expect(Math.abs(after[j * inputs + k] - expected)).toBeLessThan(1e-6);
    }
  }
});

test("more frequencies than a weight has are refused", async () => {
  const config = new FourierFTConfig({ nFrequency: 61, targetModules: ["up"] });
  await expect(getPeftModel(new TinyModel(), config)).rejects.toThrow(
    "layers.0.up is [10,6]: nFrequency 61 must be at most 60, the number of its weights",
  );
});

test("a layer of another size than others has its own transforms", async () => {
  const model = new TinyModel();
  Object.assign(model, { extra: new Linear(new Parameter(randn([4, 9], { generator: new Generator(1) }))) });
  await getPeftModel(model, new FourierFTConfig({ nFrequency: 5, targetModules: ["extra", "up"] }));
  const { extra } = model as unknown as { extra: Linear };
  expect(scope(() => extra.forward(tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9]]))).shape).toEqual([1, 4]);
});
