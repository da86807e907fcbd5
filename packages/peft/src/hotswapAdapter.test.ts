import { Generator, init, memory, reference, type Tensor } from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "./config/peftConfig.ts";
import { IA3Config } from "./methods/ia3Config.ts";
import { LoraConfig, type LoraOptions } from "./methods/loraConfig.ts";
import { PrefixTuningConfig } from "./methods/prefixTuning.ts";
import { VeraConfig } from "./methods/veraConfig.ts";
import { getPeftModel, PeftModel } from "./peftModel.ts";
import { logitBits, TinyModel, type TinyOptions, train } from "./testing/tinyModel.ts";

beforeAll(() => init(reference()));

const quiet = { onWarning: () => {} };
const lora = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up", "down"], ...options });
const made = (config: PeftConfig, seed: number, options?: TinyOptions) =>
  getPeftModel(new TinyModel(options).eval(), config, { generator: new Generator(seed), ...quiet });

describe.each<[string, PeftConfig, TinyOptions?]>([
  ["LoRA", lora()],
  ["LoRA with all kinds of parts", lora({ bias: "all", modulesToSave: ["norm"], trainableTokenIndices: [2, 5] })],
  ["DoRA on an embedding", lora({ useDora: true, targetModules: ["embed_tokens", "up"] })],
  ["VeRA", new VeraConfig({ r: 3, dInitial: 0.5, initWeights: false, targetModules: ["up"] })],
  ["IA3", new IA3Config({ targetModules: ["up"], feedforwardModules: [], initIa3Weights: false })],
  ["prefix tuning", new PrefixTuningConfig({ numVirtualTokens: 2 }), { attention: true }],
])("%s", (_, config, options) => {
  test("takes the values of another, in place", async () => {
    const other = made(config, 5, options);
    train(other, 2);
    const files = await other.adapterFiles();
    const peft = made(config, 1, options);
    const held = [...peft.base_model.trained("default").values()];
    const names = [...peft.namedParameters()].map(([name]) => name);
    const before = memory().buffers;
    await peft.hotswapAdapter(files);
    expect(memory().buffers).toBe(before);
    expect(await logitBits(peft)).toEqual(await logitBits(other));
    expect([...peft.base_model.trained("default").values()]).toEqual(held);
    expect([...peft.namedParameters()].map(([name]) => name)).toEqual(names);
    expect([...peft.trainableParameters()].length).toBeGreaterThan(0);
    expect((await peft.adapterFiles()).get("adapter_model.safetensors")).toEqual(
      files.get("adapter_model.safetensors"),
    );
  });
});

test("an adapter that does not act may be swapped, and others stay", async () => {
  const peft = made(lora(), 1);
  peft.addAdapter("b", lora(), { generator: new Generator(2) });
  const before = await logitBits(peft);
  const other = made(lora(), 3);
  peft.train();
  await peft.hotswapAdapter(await other.adapterFiles(), "b");
  expect([peft.activeAdapter, peft.training]).toEqual(["default", true]);
  peft.eval();
  expect(await logitBits(peft)).toEqual(before);
  peft.setAdapter("b");
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

test("LoRA on layers that the new adapter leaves out becomes zero", async () => {
  const other = made(lora({ targetModules: ["up"] }), 3);
  const peft = made(lora(), 1);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

test("what does not fit is said, and nothing has changed", async () => {
  const peft = made(lora(), 1);
  const before = await logitBits(peft);
  const files = async (config: PeftConfig) => made(config, 2).adapterFiles();
  const refused: [PeftConfig, string][] = [
    [lora({ r: 4 }), 'r is 4, and 2 in adapter "default"; use loadAdapter under a new name'],
    [lora({ loraAlpha: 3 }), "loraAlpha is 3, and 8 in adapter"],
    [lora({ targetModules: ["up", "lm_head"] }), "base_model.model.lm_head.lora_A.weight has no place"],
    [lora({ useDora: true }), "useDora is true, and false"],
    [new IA3Config({ targetModules: ["up"], feedforwardModules: [] }), 'the method is "IA3", and "LORA" in adapter'],
  ];
  for (const [config, message] of refused) {
    await expect(peft.hotswapAdapter(await files(config)), message).rejects.toThrow(message);
  }
  const dora = made(lora({ useDora: true }), 1);
  const fewer = await files(lora({ useDora: true, targetModules: ["up"] }));
  await expect(dora.hotswapAdapter(fewer)).rejects.toThrow("layers.0.down.lora_A.weight is missing");
  await expect(peft.hotswapAdapter(await files(lora()), "c")).rejects.toThrow('there is no adapter "c"');
  await expect(peft.hotswapAdapter(await files(lora({ initLoraWeights: "olora" })))).rejects.toThrow(
    "started from olora, and belongs to base weights of its own",
  );
  expect(await logitBits(peft)).toEqual(before);
  expect([...peft.peftConfig.keys()]).toEqual(["default"]);
  await peft.mergeAdapter();
  await expect(peft.hotswapAdapter(await files(lora()))).rejects.toThrow("is merged; call unmergeAdapter before");
});

test("training goes on from the new values", async () => {
  const peft = made(lora(), 1);
  const held: Tensor[] = [...peft.trainableParameters()];
  const other = made(lora(), 3);
  train(other, 3);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect([...peft.trainableParameters()]).toEqual(held);
  expect(train(peft, 2)).toEqual(train(other, 2));
  const frozen = await PeftModel.fromPretrained(new TinyModel().eval(), await other.adapterFiles());
  await frozen.hotswapAdapter(await peft.adapterFiles());
  expect([...frozen.trainableParameters()]).toEqual([]);
});
