import {
  bytesSource,
  copyInto,
  full,
  Generator,
  init,
  memory,
  noGrad,
  openSafetensors,
  reference,
  scope,
  type Tensor,
  writeSafetensors,
} from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { PrefixTuningConfig } from "../methods/prompt/prefixTuning.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, type TinyOptions, tinyBatch, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const quiet = { onWarning: () => {} };
const lora = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up", "down"], ...options });
const made = (config: PeftConfig, seed: number, options?: TinyOptions) =>
  getPeftModel(new TinyModel(options).eval(), config, { generator: new Generator(seed), ...quiet });

const parts: LoraOptions = { bias: "all", modulesToSave: ["norm"], trainableTokenIndices: [2, 5] };

const factorsOf = (peft: PeftModel<TinyModel>, name: string): Tensor[] =>
  [...peft.base_model.trained("default")].filter(([key]) => key.includes(`.${name}.lora_`)).map(([, tensor]) => tensor);

/** Returns the weights of some files without keys that contain `part`. */
async function without(files: ReadonlyMap<string, Uint8Array | string>, part: string): Promise<Uint8Array> {
  const file = await openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "weights");
  const kept = file.names().filter((name) => !name.includes(part));
  return writeSafetensors(await Promise.all(kept.map(async (name) => ({ name, ...(await file.read(name)) }))));
}

describe.each<[string, PeftConfig, TinyOptions?]>([
  ["LoRA", lora()],
  ["LoRA with all kinds of parts", lora(parts)],
  ["DoRA on an embedding", lora({ useDora: true, targetModules: ["embed_tokens", "up"] })],
  ["VeRA", new VeraConfig({ r: 3, dInitial: 0.5, initWeights: false, targetModules: ["up"] })],
  ["IA3", new IA3Config({ targetModules: ["up"], feedforwardModules: [], initIa3Weights: false })],
  ["prefix tuning", new PrefixTuningConfig({ numVirtualTokens: 2 }), { attention: true }],
])("%s", (_, config, options) => {
  test("takes the values of another, in place", async () => {
    const other = await made(config, 5, options);
    train(other, 2);
    const files = await other.adapterFiles();
    const peft = await made(config, 1, options);
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
  const peft = await made(lora(), 1);
  await peft.addAdapter("b", lora(), { generator: new Generator(2) });
  const before = await logitBits(peft);
  const other = await made(lora(), 3);
  peft.train();
  await peft.hotswapAdapter(await other.adapterFiles(), "b");
  expect([peft.activeAdapter, peft.training]).toEqual(["default", true]);
  peft.eval();
  expect(await logitBits(peft)).toEqual(before);
  peft.setAdapter("b");
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

test("LoRA on layers that the new adapter leaves out becomes zero", async () => {
  const other = await made(lora({ targetModules: ["up"] }), 3);
  const peft = await made(lora(), 1);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

const everywhere = ["up", "down", "embed_tokens"];

test.each<[string, LoraOptions, LoraOptions]>([
  ["a lower rank", { r: 4 }, { r: 2 }],
  ["a higher rank", { r: 2 }, { r: 5 }],
  ["another alpha", { loraAlpha: 3 }, { loraAlpha: 20 }],
  ["another alpha of DoRA", { loraAlpha: 3, useDora: true }, { loraAlpha: 20, useDora: true }],
  ["other patterns", { rankPattern: { up: 3 } }, { alphaPattern: { down: 5 }, rankPattern: { embed_tokens: 1 } }],
  ["rsLoRA", {}, { r: 5, useRslora: true }],
  ["another rank of DoRA", { r: 3, useDora: true }, { r: 4, loraAlpha: 3, useDora: true }],
  ["another rank beside biases, modules and tokens", { r: 1, ...parts }, { r: 3, ...parts }],
])("LoRA of %s takes the place, and is what then is saved", async (_, options, others) => {
  const targets = options.trainableTokenIndices ? ["up", "down"] : everywhere;
  const other = await made(lora({ targetModules: targets, ...others }), 5);
  train(other, 2);
  const files = await other.adapterFiles();
  const peft = await made(lora({ targetModules: targets, ...options }), 1);
  // DoRA's row norms are cached until their source tensors are written to.
  const unrecorded = (model: PeftModel<TinyModel>) =>
    noGrad(() => scope(() => model.forward(tinyBatch()))).logits.bytes();
  await unrecorded(peft);
  const trainable = [...peft.trainableParameters()].length;
  const names = [...peft.namedParameters()].map(([name]) => name);
  await peft.hotswapAdapter(files);
  expect(await logitBits(peft)).toEqual(await logitBits(other));
  expect(await unrecorded(peft)).toEqual(await unrecorded(other));
  expect(await peft.adapterFiles()).toEqual(files);
  expect([...peft.trainableParameters()]).toHaveLength(trainable);
  expect(new Set([...peft.namedParameters()].map(([name]) => name))).toEqual(new Set(names));
  expect(train(peft, 2)).toEqual(train(other, 2));
  // Swaps back. No buffers may leak.
  const first = await (await made(lora({ targetModules: targets, ...options }), 1)).adapterFiles();
  await peft.hotswapAdapter(first);
  const before = memory().buffers;
  await peft.hotswapAdapter(files);
  await peft.hotswapAdapter(first);
  expect(memory().buffers).toBe(before);
  expect(await peft.adapterFiles()).toEqual(first);
});

test("layers of the same rank keep their tensors whatever scales them, others get new ones", async () => {
  const peft = await made(lora(), 1);
  const [held, replaced] = ["up", "down"].map((name) => factorsOf(peft, name));
  const other = await made(lora({ loraAlpha: 30, useRslora: true, rankPattern: { down: 3 } }), 3);
  await peft.hotswapAdapter(await other.adapterFiles());
  for (const [i, tensor] of factorsOf(peft, "up").entries()) expect(tensor).toBe(held[i]);
  for (const [i, tensor] of factorsOf(peft, "down").entries()) expect(tensor).not.toBe(replaced[i]);
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

test("layers that files of another rank leave out are zero, and full ones fit again", async () => {
  const peft = await made(lora(), 1);
  const full = await peft.adapterFiles();
  const other = await made(lora({ r: 3, targetModules: ["up"], alphaPattern: { up: 7 } }), 3);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect(await logitBits(peft)).toEqual(await logitBits(other));
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), await peft.adapterFiles(), quiet);
  expect(await logitBits(again)).toEqual(await logitBits(other));
  await peft.hotswapAdapter(full);
  expect(await peft.adapterFiles()).toEqual(full);
});

test("biases on B that the new adapter does not have become zero", async () => {
  const peft = await made(lora({ loraBias: true }), 1);
  const other = await made(lora(), 3);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});

test("what does not fit is said, and nothing has changed", async () => {
  const peft = await made(lora(), 1);
  const before = await logitBits(peft);
  const files = async (config: PeftConfig) => (await made(config, 2)).adapterFiles();
  const refused: [PeftConfig, string][] = [
    [
      lora({ loraDropout: 0.1 }),
      'loraDropout is 0.1 in the new files, but 0 in adapter "default"; use loadAdapter under a new name',
    ],
    [lora({ loraBias: true }), "base_model.model.layers.0.up.lora_B.bias has no place"],
    [lora({ bias: "all" }), 'bias is "all" in the new files, but "none" in adapter'],
    [lora({ targetModules: ["up", "lm_head"] }), "base_model.model.lm_head.lora_A.weight has no place"],
    [lora({ useDora: true }), "useDora is true in the new files, but false in adapter"],
    [
      new IA3Config({ targetModules: ["up"], feedforwardModules: [] }),
      'the method is "IA3" in the new files, but "LORA" in adapter',
    ],
  ];
  for (const [config, message] of refused) {
    await expect(peft.hotswapAdapter(await files(config)), message).rejects.toThrow(message);
  }
  const part = await files(lora());
  part.set("adapter_model.safetensors", await without(part, "layers.1.up.lora_B"));
  await expect(peft.hotswapAdapter(part)).rejects.toThrow("base_model.model.layers.1.up.lora_B.weight is missing");
  const fromOlora = await made(lora({ initLoraWeights: "olora" }), 1);
  await expect(fromOlora.hotswapAdapter(await files(lora()))).rejects.toThrow(
    'adapter "default" was initialised by olora',
  );
  const dora = await made(lora({ useDora: true }), 1);
  const fewer = await files(lora({ useDora: true, targetModules: ["up"] }));
  await expect(dora.hotswapAdapter(fewer)).rejects.toThrow("layers.0.down.lora_A.weight is missing");
  await expect(peft.hotswapAdapter(await files(lora()), "c")).rejects.toThrow('there is no adapter "c"');
  await expect(peft.hotswapAdapter(await files(lora({ initLoraWeights: "olora" })))).rejects.toThrow(
    "was initialised by olora, which changes the base weights, so it cannot be swapped; delete the old adapter, and use loadAdapter on the original base weights",
  );
  expect(await logitBits(peft)).toEqual(before);
  expect([...peft.peftConfig.keys()]).toEqual(["default"]);
  await peft.mergeAdapter();
  await expect(peft.hotswapAdapter(await files(lora()))).rejects.toThrow("is merged; call unmergeAdapter before");
});

test("training goes on from the new values", async () => {
  const peft = await made(lora(), 1);
  const held: Tensor[] = [...peft.trainableParameters()];
  const other = await made(lora(), 3);
  train(other, 3);
  await peft.hotswapAdapter(await other.adapterFiles());
  expect([...peft.trainableParameters()]).toEqual(held);
  expect(train(peft, 2)).toEqual(train(other, 2));
  const frozen = await PeftModel.fromPretrained(new TinyModel().eval(), await other.adapterFiles());
  await frozen.hotswapAdapter(await peft.adapterFiles());
  expect([...frozen.trainableParameters()]).toEqual([]);
});

test("tensors that are not LoRA's must all be in the files", async () => {
  const peft = await made(lora(parts), 1);
  const files = await (await made(lora(parts), 2)).adapterFiles();
  for (const part of ["layers.1.norm.weight", "layers.0.up.base_layer.bias", "trainable_tokens_delta"]) {
    const some = new Map([...files, ["adapter_model.safetensors", await without(files, part)] as const]);
    await expect(peft.hotswapAdapter(some), part).rejects.toThrow(part);
  }
});

test("an adapter of IA3 must be on the same layers", async () => {
  const ia3 = (targetModules: string[]) => new IA3Config({ targetModules, feedforwardModules: [] });
  const [one, both] = [await made(ia3(["up"]), 1), await made(ia3(["up", "down"]), 1)];
  await expect(one.hotswapAdapter(await both.adapterFiles())).rejects.toThrow("layers.0.down.ia3_l has no place");
  await expect(both.hotswapAdapter(await one.adapterFiles())).rejects.toThrow("layers.0.down.ia3_l is missing");
  const files = await both.adapterFiles();
  files.set("adapter_model.safetensors", await without(files, "layers.1.down"));
  await expect(both.hotswapAdapter(files)).rejects.toThrow("missing: base_model.model.layers.1.down.ia3_l");
});

describe("files that lack a tensor or have one of another shape", () => {
  const load = async (change: (name: string) => number[] | null | undefined, strict: boolean) => {
    const files = await (await made(lora({ targetModules: ["up"] }), 1)).adapterFiles();
    const file = await openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "weights");
    const kept = file.names().filter((name) => change(name) !== null);
    const entries = kept.map(async (name) => {
      const stored = await file.read(name);
      return { name, ...stored, shape: change(name) ?? stored.shape };
    });
    files.set("adapter_model.safetensors", writeSafetensors(await Promise.all(entries)));
    const codes: string[] = [];
    const onWarning = ({ code }: { code: string }) => void codes.push(code);
    await PeftModel.fromPretrained(new TinyModel(), files, { strict, onWarning });
    return codes;
  };
  const one = "base_model.model.layers.1.up.lora_A.weight";
  const lacking = (name: string) => (name === one ? null : undefined);
  const turned = (name: string) => (name === one ? [6, 2] : undefined);

  test("are refused", async () => {
    expect(await load(() => undefined, true)).toEqual([]);
    await expect(load(lacking, true)).rejects.toThrow(`missing: ${one}`);
    await expect(load(turned, true)).rejects.toThrow(`${one} is [6,2] in the file, [2,6] here`);
  });

  test("are loaded without strict if no shape differs", async () => {
    expect(await load(() => undefined, false)).toEqual([]);
    expect(await load(lacking, false)).toEqual(["key-mismatch"]);
    await expect(load(turned, false)).rejects.toThrow(`${one} is [6,2] in the file, [2,6] here`);
  });
});

test("a table of the file that differs from the model's replaces it, and does not train", async () => {
  const config = lora({ targetModules: ["embed_tokens"] });
  const source = await made(config, 1);
  noGrad(() => copyInto(source.base_model.tables("default").values().next().value!, full([11, 6], 0.5)));
  const files = await source.adapterFiles();
  for (const isTrainable of [false, true]) {
    const peft = await PeftModel.fromPretrained(new TinyModel(), files, { isTrainable });
    const [swap] = peft.base_model.adapter("default").swaps.values();
    expect([...swap.on.dataSync()]).toEqual(Array(66).fill(0.5));
    expect([...peft.trainableParameters()]).not.toContain(swap.on);
    expect(swap.on.requiresGrad).toBe(false);
  }
});
