import { Generator, init, reference, scope } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import type { PeftModel } from "../../peftModel/peftModel.ts";
import { TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { PveraConfig, type PveraOptions } from "./pveraConfig.ts";

beforeAll(() => init(reference()));

const put = (options: PveraOptions = {}, seed = 3) =>
  getPeftModel(
    new TinyModel().eval(),
    new PveraConfig({ r: 2, initWeights: false, targetModules: ["up", "down"], ...options }),
    { generator: new Generator(seed) },
  );
const answer = (peft: PeftModel<TinyModel>) => [...scope(() => peft.forward(tinyBatch()).logits).dataSync()];

test("values are drawn in training only, unless the configuration says otherwise", async () => {
  const peft = await put();
  const still = answer(peft);
  expect(answer(peft)).toEqual(still);
  peft.train();
  const drawn = answer(peft);
  expect(drawn).not.toEqual(still);
  expect(answer(peft)).not.toEqual(drawn);
  peft.eval();
  expect(answer(peft)).toEqual(still);
  const always = await put({ sampleAtInference: true });
  expect(answer(always)).not.toEqual(answer(always));
});

test("a seed repeats the draws, whatever the other seeds are", async () => {
  // The other generator draws the start, so that both adapters get the same.
  const start = { initWeights: true, dInitial: 0.3 };
  const runs = await Promise.all(
    [1, 2].map(async (seed) => {
      const peft = await put({ ...start, generatorSeed: 5 }, seed);
      peft.train();
      return train(peft, 3);
    }),
  );
  expect(runs[0]).toEqual(runs[1]);
  const other = await put({ ...start, generatorSeed: 6 }, 1);
  other.train();
  expect(train(other, 3)).not.toEqual(runs[0]);
});

test("a merged adapter gives the outputs of the means, in training too", async () => {
  const peft = await put();
  const still = answer(peft);
  peft.train();
  await peft.mergeAdapter();
  for (const [i, value] of answer(peft).entries()) expect(value).toBeCloseTo(Number(still[i]), 5);
});

test("dropout without a probability has no module", async () => {
  const paths = async (options: PveraOptions) => Array.from((await put(options)).namedModules(), ([path]) => path);
  expect((await paths({})).filter((path) => path.includes("dropout"))).toEqual([]);
  expect((await paths({ pveraDropout: 0.5 })).filter((path) => path.endsWith("dropout.default"))).toHaveLength(4);
});
