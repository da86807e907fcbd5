import { Generator, init, randn, reference, scope, sub } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { C3AConfig } from "./c3aConfig.ts";

beforeAll(() => init(reference()));

const target = { targetModules: ["layers.0.up"] };

/** Returns the trained rows of `up`, its weight's change in a merge, and the difference of outputs before it. */
async function adapted(config: C3AConfig) {
  const model = new TinyModel();
  const up = model.layers.at(0).up as Linear;
  const x = randn([3, up.inFeatures], { generator: new Generator(2) });
  const before = up.weight.dataSync().slice();
  const plain = scope(() => up.forward(x));
  const peft = await getPeftModel(model, config, { generator: new Generator(8) });
  const wrapped = model.layers.at(0).up as unknown as Linear;
  const added = scope(() => sub(wrapped.forward(x), plain)).dataSync();
  const [kernel] = [...peft.adapterTensors().values()];
  const [shape, rows] = [kernel.shape, kernel.dataSync().slice()];
  await peft.mergeAndUnload();
  return { x: x.dataSync(), added, shape, rows, change: up.weight.dataSync().map((value, i) => value - before[i]) };
}

test("the update has circulant blocks, divided by the number of inputs", async () => {
  const [out, inputs, b] = [10, 6, 2];
  const config = new C3AConfig({ ...target, blockSize: b, initWeights: "gaussian" });
  const { x, added, shape, rows, change } = await adapted(config);
  expect(shape).toEqual([out / b, inputs / b, b]);
  const delta = (j: number, i: number) => {
    const block = Math.floor(j / b) * (inputs / b) + Math.floor(i / b);
    return rows[block * b + (((i % b) - (j % b) + b) % b)] / inputs;
  };
  for (let j = 0; j < out; j++) {
    for (let i = 0; i < inputs; i++) expect(Math.abs(change[j * inputs + i] - delta(j, i))).toBeLessThan(1e-6);
    for (let row = 0; row < 3; row++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i] * delta(j, i);
      expect(Math.abs(added[row * out + j] - sum)).toBeLessThan(1e-5);
    }
  }
});

test.each<[C3AConfig["initWeights"], number]>([
  ["xavier_uniform", Math.sqrt(6 / 16)],
  [false, Math.sqrt(6 / 16)],
  ["kaiming_uniform", Math.sqrt(1 / 6)],
  [true, 0],
])("%s starts within its bound", async (initWeights, bound) => {
  const { rows } = await adapted(new C3AConfig({ ...target, blockSize: 1, initWeights }));
  const largest = Math.max(...rows.map(Math.abs));
  expect(largest).toBeLessThanOrEqual(bound);
  expect(largest).toBeGreaterThanOrEqual(0.8 * bound);
});

test.each([
  ["inputs", 5, {}],
  ["outputs", 3, {}],
  ["a pattern", 4, { up: 4 }],
])("a block size that does not divide a layer's sizes is refused: %s", async (_, size, blockSizePattern) => {
  const blockSize = Object.keys(blockSizePattern).length > 0 ? 1 : size;
  const config = new C3AConfig({ ...target, blockSize, blockSizePattern });
  await expect(getPeftModel(new TinyModel(), config)).rejects.toThrow(
    `layers.0.up is [10,6]: blockSize ${size} must divide both sizes`,
  );
});

test("excluded modules are refused, since PEFT's class has no such field", () => {
  expect(() => new C3AConfig({ excludeModules: ["up"] })).toThrow("PEFT's C3AConfig has no such field");
});
