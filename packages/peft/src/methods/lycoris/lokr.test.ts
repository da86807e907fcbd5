import { Generator, init, reference } from "@lowrank/core";
import { Linear } from "@lowrank/nn";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import { expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { factorization } from "./factorization.ts";
import { LoKrConfig } from "./lokrConfig.ts";

// The results of `factorization` in PEFT 0.21.2.
test.each([
  [256, -1, [16, 16]],
  [128, -1, [8, 16]],
  [127, -1, [1, 127]],
  [128, 4, [4, 32]],
  [576, -1, [24, 24]],
  [1536, 5, [4, 384]],
  [12, 12, [12, 1]],
  [10, 7, [2, 5]],
  [360, 16, [15, 24]],
  [1, -1, [1, 1]],
])("%i near %i is cut into %o", (size, wanted, factors) => {
  expect(factorization(size, wanted)).toEqual(factors);
});

test("random values are uniform between -b and b, where b is the inverse root of a row's length", async () => {
  await init(reference());
  const config = new LoKrConfig({ r: 8, decomposeBoth: true, initWeights: false, targetModules: ["layer"] });
  const peft = await getPeftModel(new OneLayer(new Linear(1024, 1024)), config, { generator: new Generator(1) });
  const found = [...peft.adapterTensors()].map(([key, t]) => {
    const bound = 1 / Math.sqrt(t.shape[1]);
    const values = t.dataSync() as Float32Array;
    const most = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return [key.replace(/.*lokr_/, ""), most <= bound, most > 0.9 * bound];
  });
  expect(found).toEqual(["w1_a", "w1_b", "w2_a", "w2_b"].map((name) => [name, true, true]));
});
