import { Generator, init, randn, reference, scope } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { RoadConfig, type RoadVariant } from "./roadConfig.ts";

beforeAll(() => init(reference()));

const target = { targetModules: ["layers.0.up"] };

/** Returns the angle and the factor of output `i` of 10: for the output itself, and for the other one of its pair. */
function indices(variant: RoadVariant, size: number, i: number): [own: number, other: number] {
  const [group, place] = [Math.floor(i / size), i % size];
  if (variant === "road_1") {
    const pair = group * (size / 2) + (place % (size / 2));
    return [pair, pair];
  }
  return variant === "road_2" ? [i, i] : [2 * group * size + place, (2 * group + 1) * size + place];
}

test.each<[RoadVariant, number, number]>([
  ["road_1", 2, 5],
  ["road_1", 10, 5],
  ["road_2", 2, 10],
  ["road_2", 10, 10],
  ["road_4", 2, 20],
  ["road_4", 10, 20],
])("%s in groups of %i rotates and scales pairs of outputs", async (variant, groupSize, count) => {
  const model = new TinyModel();
  const up = model.layers.at(0).up as Linear;
  const x = randn([3, up.inFeatures], { generator: new Generator(2) });
  const y = scope(() => up.forward(x)).dataSync();
  const config = new RoadConfig({ ...target, variant, groupSize, initWeights: false });
  const peft = await getPeftModel(model, config, { generator: new Generator(8) });
  const [theta, alpha] = ["theta", "alpha"].map((name) => {
    return peft.adapterTensors().get(`base_model.model.layers.0.up.road_${name}`)!.dataSync().slice();
  });
  expect([theta.length, alpha.length]).toEqual([count, count]);
  const live = scope(() => (model.layers.at(0).up as Linear).forward(x)).dataSync();
  await peft.mergeAndUnload();
  const merged = scope(() => (model.layers.at(0).up as Linear).forward(x)).dataSync();
  for (let k = 0; k < y.length; k++) {
    const i = k % 10;
    const second = i % groupSize >= groupSize / 2;
    const other = second ? y[k - groupSize / 2] : -y[k + groupSize / 2];
    const [a, b] = indices(variant, groupSize, i);
    const expected = alpha[a] * Math.cos(theta[a]) * y[k] + alpha[b] * Math.sin(theta[b]) * other;
    expect(Math.abs(live[k] - expected)).toBeLessThan(1e-5);
    expect(Math.abs(merged[k] - expected)).toBeLessThan(1e-5);
  }
});

test("a group size that does not divide a layer's outputs is refused", async () => {
  const config = new RoadConfig({ ...target, groupSize: 4 });
  await expect(getPeftModel(new TinyModel(), config)).rejects.toThrow(
    "layers.0.up is [10,6]: groupSize 4 must divide its 10 outputs",
  );
});

test("odd group sizes and excluded modules are refused", () => {
  expect(() => new RoadConfig({ groupSize: 5 })).toThrow("RoadConfig: groupSize is 5; it must be even");
  expect(() => new RoadConfig({ excludeModules: ["up"] })).toThrow("PEFT's RoadConfig has no such field");
});
