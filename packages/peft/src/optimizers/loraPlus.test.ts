import { init, reference } from "@lowrank/core";
import { Adam, AdamW } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { createLoraPlusOptimizer } from "./loraPlus.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({
  r: 2,
  useDora: true,
  bias: "all",
  modulesToSave: ["layers.0.norm"],
  targetModules: ["embed_tokens", "up"],
});
const model = () => getPeftModel(new TinyModel(), config, { onWarning: () => {} });

test("groups are those of PEFT: A, embeddings, B and lengths, biases and LayerNorms", async () => {
  const peft = await model();
  const names = new Map([...peft.namedParameters()].map(([name, p]) => [p, name]));
  const optimizer = createLoraPlusOptimizer(peft, AdamW, {
    lr: 0.01,
    loraplusLrRatio: 16,
    loraplusLrEmbedding: 0.002,
    loraplusWeightDecay: 0.1,
    betas: [0.8, 0.9],
  });
  const groups = optimizer.groups.map(({ params, lr, weightDecay, betas }) => {
    const ends = params.map((p) => names.get(p as never)!.replace(/^base_model\.model\.|\.default/g, ""));
    return { ends: ends.sort(), lr, weightDecay, betas };
  });
  const betas = [0.8, 0.9];
  expect(groups).toEqual([
    { ends: ["layers.0.up.lora_A.weight", "layers.1.up.lora_A.weight"], lr: 0.01, weightDecay: 0.1, betas },
    { ends: ["embed_tokens.lora_embedding_A", "embed_tokens.lora_embedding_B"], lr: 0.002, weightDecay: 0.1, betas },
    {
      ends: [
        "embed_tokens.lora_magnitude_vector.weight",
        "layers.0.up.lora_B.weight",
        "layers.0.up.lora_magnitude_vector.weight",
        "layers.1.up.lora_B.weight",
        "layers.1.up.lora_magnitude_vector.weight",
      ],
      lr: 0.16,
      weightDecay: 0.1,
      betas,
    },
    {
      ends: [
        "layers.0.down.bias",
        "layers.0.norm.modules_to_save.bias",
        "layers.0.norm.modules_to_save.weight",
        "layers.0.up.base_layer.bias",
        "layers.1.down.bias",
        "layers.1.norm.bias",
        "layers.1.up.base_layer.bias",
      ],
      lr: 0.16,
      weightDecay: 0,
      betas,
    },
  ]);
});

test("nothing decays unless it is asked for, and a ratio below 1 is an error", async () => {
  const optimizer = createLoraPlusOptimizer(await model(), Adam, { lr: 0.01, loraplusLrRatio: 2 });
  expect(optimizer.groups.map(({ weightDecay, lr }) => [weightDecay, lr])).toEqual([
    [0, 0.01],
    [0, 1e-6],
    [0, 0.02],
    [0, 0.02],
  ]);
  await expect(async () =>
    createLoraPlusOptimizer(await model(), Adam, { lr: 0.01, loraplusLrRatio: 0.5 }),
  ).rejects.toThrow("loraplusLrRatio is 0.5; it must be at least 1");
});

test("an option that it does not have is told with the nearest, its own or the optimiser's", async () => {
  const peft = await model();
  const run = (options: object) => () => createLoraPlusOptimizer(peft, AdamW, { lr: 1, ...options } as never);
  expect(run({ loraplus_lr_ratio: 16 })).toThrow(
    "createLoraPlusOptimizer: there is no option loraplus_lr_ratio; did you mean loraplusLrRatio?",
  );
  expect(run({ loraplusLrRatio: 16, beta: [0, 0] })).toThrow("AdamW: there is no option beta; did you mean betas?");
});

test("the ratio is at least 1", async () => {
  const peft = await model();
  const make = (loraplusLrRatio: number) => createLoraPlusOptimizer(peft, AdamW, { lr: 0.01, loraplusLrRatio });
  expect(make(1).groups.map(({ lr }) => lr)).toContain(0.01);
  for (const ratio of [0.99, 0, Number.NaN]) {
    expect(() => make(ratio)).toThrow(`createLoraPlusOptimizer: loraplusLrRatio is ${ratio}; it must be at least 1`);
  }
});

test("a LayerNorm of the base model that trains has no weight decay", async () => {
  const peft = await getPeftModel(new TinyModel(), new LoraConfig({ r: 2, targetModules: ["up"] }));
  const { weight } = peft.baseModel.getSubmodule("layers.1.norm") as { weight?: { requiresGrad: boolean } } as never;
  Object.assign(weight, { requiresGrad: true });
  const options = { lr: 0.01, loraplusLrRatio: 4, loraplusWeightDecay: 0.1 };
  const { groups } = createLoraPlusOptimizer(peft, AdamW, options);
  const own = groups.find(({ params }) => params.includes(weight));
  expect([own?.params.length, own?.weightDecay]).toEqual([1, 0]);
});
