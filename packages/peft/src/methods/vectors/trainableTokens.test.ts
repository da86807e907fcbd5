import { Generator, init, reference, scope, zeros } from "@lowrank/core";
import { type Embedding, Linear, Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TinyModel, tinyBatch } from "../../testing/tinyModel.ts";
import { LoraConfig } from "../lora/loraConfig.ts";
import { TrainableTokensConfig } from "./trainableTokensConfig.ts";

beforeAll(() => init(reference()));

const keys = ["embed_tokens", "lm_head"].map((name) => `base_model.model.${name}.trainable_tokens_delta`);
const logits = (peft: PeftModel<TinyModel>) => scope(() => peft.forward(tinyBatch()).logits).dataSync();
const tableOf = (model: TinyModel) => (model.embed_tokens as Embedding).weight;

test("rows of the input embedding train, and no others", async () => {
  const model = new TinyModel();
  const table = tableOf(model).dataSync().slice();
  const peft = await getPeftModel(model, new TrainableTokensConfig({ tokenIndices: [4, 2] }));
  const [[key, delta], ...others] = peft.adapterTensors();
  expect([key, delta.shape, others]).toEqual([keys[0], [2, 6], []]);
  expect([...delta.dataSync()]).toEqual([...table.slice(24, 30), ...table.slice(12, 18)]);
  expect(peft.peftConfig.get("default")).toMatchObject({ targetModules: "embed_tokens" });
  expect(peft.getNbTrainableParameters().trainable).toBe(12);
});

test("a tied output layer shares the rows, which the file contains for both", async () => {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const config = new TrainableTokensConfig({ tokenIndices: [4, 2], initWeights: false });
  const peft = await getPeftModel(new TinyModel({ tied: true }), config, { generator: new Generator(3), onWarning });
  const [[first, delta], [second, other]] = peft.adapterTensors();
  expect([first, second]).toEqual(keys);
  expect(other === delta).toBe(true);
  expect(peft.getNbTrainableParameters().trainable).toBe(12);
  expect(warnings).toEqual([]);
  const live = logits(peft);
  const again = await PeftModel.fromPretrained(new TinyModel({ tied: true }), await peft.adapterFiles());
  expect([...logits(again)]).toEqual([...live]);
  await peft.mergeAdapter();
  for (const [i, value] of logits(peft).entries()) expect(Math.abs(value - live[i])).toBeLessThan(1e-5);
  peft.unmergeAdapter();
  const model = await peft.mergeAndUnload();
  expect((model.lm_head as Linear).weight === tableOf(model)).toBe(true);
});

test("the same rows as trainableTokenIndices of LoRA", async () => {
  const tokenIndices = [7, 1];
  const alone = await getPeftModel(new TinyModel({ tied: true }), new TrainableTokensConfig({ tokenIndices }));
  const lora = new LoraConfig({ trainableTokenIndices: tokenIndices, targetModules: ["up"] });
  const beside = await getPeftModel(new TinyModel({ tied: true }), lora);
  const gradientOf = (peft: PeftModel<TinyModel>, key: string) => {
    scope(() => peft.loss(tinyBatch()).backward());
    return [...(peft.adapterTensors().get(key) as Parameter).grad!.dataSync()];
  };
  const gradient = gradientOf(beside, "base_model.model.embed_tokens.token_adapter.trainable_tokens_delta");
  expect(gradientOf(alone, keys[0])).toEqual(gradient);
  expect(gradient.some((value) => value !== 0)).toBe(true);
});

test("two adapters merge if they train different tokens", async () => {
  const peft = await getPeftModel(
    new TinyModel(),
    new TrainableTokensConfig({ tokenIndices: [1], initWeights: false }),
  );
  await peft.addAdapter("other", new TrainableTokensConfig({ tokenIndices: [2], initWeights: false }));
  await peft.addAdapter("same", new TrainableTokensConfig({ tokenIndices: [3, 2] }));
  await peft.mergeAdapter({ adapterNames: ["default", "other"] });
  peft.unmergeAdapter();
  await expect(peft.mergeAdapter({ adapterNames: ["other", "same"] })).rejects.toThrow(
    "two adapters train the embedding of token 2; merge one of them alone",
  );
});

test("adapters that differ in the layers that share a table do not merge together", async () => {
  const both = () => new TrainableTokensConfig({ tokenIndices: [1], initWeights: false });
  const head = () => new TrainableTokensConfig({ tokenIndices: [2], targetModules: ["lm_head"], initWeights: false });
  for (const [first, second] of [
    [both, head],
    [head, both],
  ]) {
    const peft = await getPeftModel(new TinyModel({ tied: true }), first(), { onWarning: () => {} });
    await peft.addAdapter("other", second());
    const adapterNames = ["default", "other"];
    const message = /^lm_head shares its weight with embed_tokens in adapter "(default|other)", but not in "/;
    await expect(peft.mergeAdapter({ adapterNames })).rejects.toThrow(message);
    await expect(peft.mergeAndUnload({ adapterNames })).rejects.toThrow(message);
    for (const name of adapterNames) {
      peft.setAdapter(name);
      const live = logits(peft);
      await peft.mergeAdapter();
      for (const [i, value] of logits(peft).entries()) expect(Math.abs(value - live[i])).toBeLessThan(1e-5);
      peft.unmergeAdapter();
    }
  }
});

test("the same holds for trainableTokenIndices of LoRA", async () => {
  const options = { targetModules: ["up"], initLoraWeights: false };
  const all = new LoraConfig({ ...options, trainableTokenIndices: [1] });
  const head = new LoraConfig({ ...options, trainableTokenIndices: { lm_head: [2] } });
  const peft = await getPeftModel(new TinyModel({ tied: true }), head, { onWarning: () => {} });
  await peft.addAdapter("other", all);
  const adapterNames = ["default", "other"];
  await peft.mergeAdapter({ adapterNames }); // without the tokens
  peft.unmergeAdapter();
  await expect(peft.mergeAndUnload({ adapterNames })).rejects.toThrow(
    'lm_head shares its weight with embed_tokens in adapter "other", but not in "default"; merge one of them alone',
  );
});

test("what cannot be trained is refused", async () => {
  const made = (config: TrainableTokensConfig, model = new TinyModel()) => getPeftModel(model, config);
  await expect(made(new TrainableTokensConfig())).rejects.toThrow("tokenIndices is empty");
  await expect(made(new TrainableTokensConfig({ tokenIndices: [11] }))).rejects.toThrow(
    "tokenIndices: 11 for embed_tokens is outside of 0..10",
  );
  const elsewhere = new TrainableTokensConfig({ tokenIndices: [1], targetModules: ["wte"] });
  await expect(made(elsewhere)).rejects.toThrow('["wte"] matches no module');
  const biased = new TinyModel();
  biased.lm_head = new Linear((biased.lm_head as Linear).weight, new Parameter(zeros([11])));
  const head = new TrainableTokensConfig({ tokenIndices: [1], targetModules: ["lm_head"] });
  await expect(made(head, biased)).rejects.toThrow("lm_head has a bias");
  expect(() => new TrainableTokensConfig({ modulesToSave: ["norm"] } as object)).toThrow("modulesToSave");
});
