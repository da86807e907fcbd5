import {
  affine,
  copyInto,
  Generator,
  init,
  memory,
  noGrad,
  ones,
  packedTensor,
  randn,
  reference,
  scope,
  type Tensor,
  tensor,
  to,
} from "@lowrank/core";
import { Linear, type Module, Parameter, quantize, type UnaryModule, useInt8Activations } from "@lowrank/nn";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import { beforeAll, describe, expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../config/peftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../layers/tunerLayer.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { registerPeftMethod } from "../methods/registry.ts";
import { definePeftMethod } from "../methods/shared/method.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { logitBits, TinyModel, type TinyOptions, tinyBatch, train } from "../testing/tinyModel.ts";

/** Scales a layer's outputs by 1.1, but merges another factor. */
class WrongConfig extends PeftConfig {
  readonly merged: number;

  constructor(options: PeftOptions & { merged?: number } = {}) {
    super("WRONG", options);
    this.merged = options.merged ?? 1.1;
  }
}

class WrongLayer implements LayerAdapter {
  readonly parameters = {};
  readonly #merged: number;

  constructor(merged: number) {
    this.#merged = merged;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => affine(base.forward(x), { scale: 1.1 }));
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    const scale = this.#merged;
    return { weight: affine(weight, { scale }), bias: bias && affine(bias, { scale }), fanInFanOut };
  }
}

const wrong = definePeftMethod<WrongConfig>({
  peftType: "WRONG",
  Config: WrongConfig,
  format: { classic: ["target_modules"], floats: [], refused: {}, ignored: {} },
  kinds: ["linear", "conv1d"],
  defaultTargets: {},
  createLayer: ({ config, path }) => new WrongLayer(path.startsWith("layers.1.") ? config.merged : 1.1),
});

beforeAll(async () => {
  await init(reference());
  registerPeftMethod(wrong);
});

const targetModules = ["up", "down"];

describe("a layer that would answer otherwise once merged", () => {
  const bases: [string, TinyOptions][] = [
    ["f32", {}],
    ["f16", { dtype: "f16" }],
    ["bf16", { dtype: "bf16" }],
    ["nf4", { quantize: { quantType: "nf4" } }],
  ];

  test.each(bases)("%s: by a thousandth, is refused with its name, and nothing is merged", async (_, options) => {
    const peft = await getPeftModel(new TinyModel(options), new WrongConfig({ targetModules, merged: 1.101 }));
    const live = await logitBits(peft);
    const weights = options.quantize ? ({ dtype: "f32" } as const) : {};
    const message =
      /^merging default would change the outputs of layers\.1\.(up|down) by \d\.\de-[23], and rounding to float32 explains only \d\.\de-[56]\. Nothing was merged\. .*verify: false/;
    const buffers = memory().buffers;
    await expect(peft.mergeAdapter(weights)).rejects.toThrow(message);
    await expect(peft.mergeAndUnload(weights)).rejects.toThrow(message);
    expect(memory().buffers).toBe(buffers);
    expect([peft.isMerged, peft.training]).toEqual([false, true]);
    expect(await logitBits(peft)).toEqual(live);
    await peft.mergeAdapter({ ...weights, verify: false });
    expect(peft.mergeReport?.layers).toEqual([]);
    expect(await logitBits(peft)).not.toEqual(live);
  });

  test.each(bases)(
    "%s: no more than rounding explains, is merged, and the report says by how much",
    async (kind, options) => {
      const peft = await getPeftModel(new TinyModel(options), new WrongConfig({ targetModules }));
      const weights = options.quantize ? ({ dtype: "bf16" } as const) : {};
      await peft.mergeAdapter(weights);
      const { layers } = peft.mergeReport!;
      expect(layers.map(({ path }) => path)).toEqual(["layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down"]);
      for (const { maxAbsDiff, bound } of layers) {
        expect(maxAbsDiff).toBeLessThan(bound / 3);
        expect(maxAbsDiff).toBeGreaterThan(kind === "f32" ? -1 : 1e-4);
        expect(bound).toBeLessThan(kind === "f32" ? 1e-4 : 1);
      }
    },
  );

  test("a NaN on both sides is no agreement", async () => {
    const peft = await getPeftModel(new TinyModel(), new WrongConfig({ targetModules, merged: Number.NaN }));
    await expect(peft.mergeAdapter({ safeMerge: false })).rejects.toThrow(/change the outputs of layers\.1\.up by NaN/);
  });
});

test("requantising that loses half of the answers is refused; a wider dtype is not", async () => {
  const model = new OneLayer(new Linear(new Parameter(randn([8, 4096], { generator: new Generator(1) }))));
  await quantize(model, { blockSize: 4096, skipModules: [] });
  const peft = await getPeftModel(model, new LoraConfig({ r: 1, loraAlpha: 1, targetModules: ["layer"] }));
  // The adapter adds one large value to each block of 4096 elements. At 4 bits the other elements then round to zero.
  const [a, b] = ["A", "B"].map((name) => peft.adapterTensors().get(`base_model.model.layer.lora_${name}.weight`)!);
  noGrad(() => copyInto(a, tensor([[40, ...Array.from({ length: 4095 }, () => 0)]])));
  noGrad(() => copyInto(b, ones([8, 1])));
  await expect(peft.mergeAdapter({ requantize: true })).rejects.toThrow(
    /change the outputs of layer by .* rounding to nf4 explains only .* Merge into weights of a wider dtype\. Nothing was merged/,
  );
  expect(peft.isMerged).toBe(false);
  await peft.mergeAdapter({ dtype: "bf16" });
  expect(peft.mergeReport?.layers.map(({ path }) => path)).toEqual(["layer"]);
});

test("what is trained whole or row by row is compared too, in its own rows", async () => {
  const config = new LoraConfig({
    r: 2,
    targetModules: ["up"],
    modulesToSave: ["lm_head"],
    trainableTokenIndices: [3, 9],
  });
  const peft = await getPeftModel(new TinyModel(), config);
  train(peft);
  await peft.mergeAndUnload({ verify: { inputs: tinyBatch() } });
  const { layers, maxAbsDiff } = peft.mergeReport!;
  expect(layers.map(({ path }) => path).sort()).toEqual(["embed_tokens", "layers.0.up", "layers.1.up", "lm_head"]);
  expect(maxAbsDiff).toBeLessThan(1e-5);
});

test("of several adapters on a layer, each is compared by itself", async () => {
  const lora = new LoraConfig({ r: 2, targetModules, initLoraWeights: false });
  const peft = await getPeftModel(new TinyModel(), lora);
  await peft.addAdapter("factors", new IA3Config({ targetModules, feedforwardModules: [] }));
  await peft.addAdapter("lengths", lora.with({ useDora: true }));
  await peft.mergeAdapter({ adapterNames: ["default", "factors", "lengths"] });
  expect(peft.mergeReport?.layers.length).toBe(4);
  peft.unmergeAdapter();
  await peft.addAdapter("wrong", new WrongConfig({ targetModules, merged: 1.2 }));
  await expect(peft.mergeAdapter({ adapterNames: ["default", "wrong"] })).rejects.toThrow(
    "merging default, wrong would change the outputs of layers.1.up",
  );
});

test("dropout is off while layers are compared, and each module is then in the mode it was in", async () => {
  const peft = await getPeftModel(
    new TinyModel().train(),
    new LoraConfig({ r: 2, targetModules, loraDropout: 0.5, initLoraWeights: false }),
  );
  const part = peft.baseModel.getSubmodule("layers.0") as Module;
  part.eval();
  const modes = () => [...peft.namedModules()].map(([path, { training }]) => `${path} ${training}`);
  const before = modes();
  await peft.mergeAdapter({ verify: { inputs: tinyBatch() } });
  expect(modes()).toEqual(before);
  expect(peft.mergeReport?.maxAbsDiff).toBeLessThan(1e-5);
});

test("a layer that rounds its inputs to bytes takes them as they are once merged, until it is unmerged", async () => {
  const blocks = Uint8Array.from({ length: 4 * 34 }, (_, i) => (i % 34 < 2 ? [0, 0x24][i % 34] : (37 * i) % 256));
  const layer = new Linear(
    new Parameter(packedTensor(blocks, { shape: [4, 32], dtype: "q8_0" }), { requiresGrad: false }),
  );
  const model = new OneLayer(layer);
  useInt8Activations(model);
  const config = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["layer"] });
  const peft = await getPeftModel(model, config);
  const x = randn([3, 32], { generator: new Generator(5) });
  const live = await peft.forward(x).bytes();
  await peft.mergeAdapter({ dtype: "f32" });
  const full = new OneLayer(new Linear(new Parameter(to(layer.weight.detach(), { dtype: "f32" }))));
  expect(await peft.forward(x).bytes()).toEqual(await full.forward(x).bytes());
  peft.unmergeAdapter();
  expect(await peft.forward(x).bytes()).toEqual(live);
  expect(layer.activations).toBe("int8");
  const merged = await peft.mergeAndUnload({ dtype: "f32" });
  expect(await merged.forward(x).bytes()).toEqual(await full.forward(x).bytes());
});

for (const [method, list] of Object.entries(methodCases)) {
  const mergeable = list.filter(({ unmergeable }) => !unmergeable);
  test.each(mergeable)(
    `${method}: $name: every target is compared, and far from its bound`,
    async ({ config, model }) => {
      const base = new TinyModel(model);
      const peft = await getPeftModel(base, config, { onWarning: () => {} });
      train(peft);
      const { matched } = peft.targetReport!;
      // Layers that share a table and its adapter are compared once.
      const targets = matched.filter((path) => peft.base_model.wrappers.get(path)?.mergedInto("default").length !== 0);
      await peft.mergeAdapter(model?.quantize ? { dtype: "f32" } : {});
      const { layers } = peft.mergeReport!;
      expect(layers.map(({ path }) => path).sort()).toEqual([...targets].sort());
      for (const { path, maxAbsDiff, bound } of layers) expect(maxAbsDiff, path).toBeLessThanOrEqual(bound / 4);
    },
  );
}
