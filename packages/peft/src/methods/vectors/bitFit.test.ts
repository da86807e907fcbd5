import { Generator, init, randn, reference } from "@lowrank/core";
import { Embedding, LayerNorm, Linear, Module, Parameter, Sequential, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { BitFitConfig } from "./bitFitConfig.ts";

beforeAll(() => init(reference()));

test("all biases train, under the base model's own names", async () => {
  const peft = await getPeftModel(new TinyModel(), new BitFitConfig());
  const layer = (i: number) => ["norm", "up", "down"].map((name) => `base_model.model.layers.${i}.${name}.bias`);
  expect([...peft.adapterTensors().keys()]).toEqual([...layer(0), ...layer(1)]);
  expect(peft.getNbTrainableParameters().trainable).toBe(2 * (6 + 10 + 6));
});

test("targets choose among them", async () => {
  const config = new BitFitConfig({ targetModules: ["up", "lm_head"], excludeModules: ["layers.0.up"] });
  const peft = await getPeftModel(new TinyModel(), config);
  expect(peft.targetReport?.matched).toEqual(["layers.1.up"]);
  await expect(getPeftModel(new TinyModel(), new BitFitConfig({ targetModules: ["lm_head"] }))).rejects.toThrow(
    'targetModules ["lm_head"] matches no module with a bias; modules with a bias: layers.0.norm, layers.0.up',
  );
});

test("all-linear matches the linear layers with a bias", async () => {
  const peft = await getPeftModel(new TinyModel(), new BitFitConfig({ targetModules: "all-linear" }));
  expect(peft.targetReport?.matched).toEqual([0, 1].flatMap((i) => [`layers.${i}.up`, `layers.${i}.down`]));
  const network = new Sequential(new Linear(2, 3), new Linear(3, 2));
  const both = await getPeftModel(network, new BitFitConfig({ targetModules: "All-Linear" }));
  expect(both.targetReport?.matched).toEqual(["0", "1"]);
  const norms = new Sequential(new Linear(2, 2, { bias: false }), new LayerNorm(2));
  await expect(getPeftModel(norms, new BitFitConfig({ targetModules: "all-linear" }))).rejects.toThrow(
    'targetModules "all-linear" matches no linear layer with a bias; modules with a bias: 1',
  );
});

test("a model without biases is refused", async () => {
  class Plain extends Module {
    embed: UnaryModule = new Embedding(new Parameter(randn([3, 2], { generator: new Generator(1) })));
    head: UnaryModule = new Linear(new Parameter(randn([3, 2], { generator: new Generator(2) })));
    forward() {
      return null;
    }
  }
  await expect(getPeftModel(new Plain() as never, new BitFitConfig())).rejects.toThrow(
    "BitFit trains biases, and this model has none",
  );
});
