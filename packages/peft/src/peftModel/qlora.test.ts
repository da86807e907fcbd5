import {
  copyInto,
  full,
  Generator,
  init,
  isPacked,
  memory,
  noGrad,
  randn,
  reference,
  resetPeak,
  scope,
  square,
  sum,
  type Tensor,
} from "@lowrank/core";
import { Linear, Linear4bit, Module, quantize, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { prepareModelForKbitTraining } from "../starts/prepareModelForKbitTraining.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import { getPeftModel } from "./getPeftModel.ts";
import { PeftModel } from "./peftModel.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({ r: 2, targetModules: ["up", "down"] });
const quantized = () => new TinyModel({ quantize: { quantType: "nf4", blockSize: 32, doubleQuant: true } }).eval();
const trained = async () => {
  const peft = await getPeftModel(quantized(), config);
  train(peft);
  return peft;
};
const verify = () => ({ inputs: tinyBatch() });

describe("merging into a 4-bit base", () => {
  it("is refused with advice unless it is said how", async () => {
    const peft = await trained();
    const live = await logitBits(peft);
    for (const safeMerge of [true, false]) {
      const advice = /layers.0.up is nf4: .* Pass dtype: "bf16" .* or requantize: true/;
      await expect(peft.mergeAndUnload({ safeMerge })).rejects.toThrow(advice);
      await expect(peft.mergeAdapter({ safeMerge })).rejects.toThrow(advice);
    }
    await expect(peft.mergeAdapter({ dtype: "f32", requantize: true })).rejects.toThrow(
      /dtype or requantize: true, not/,
    );
    expect(peft.isMerged).toBe(false);
    expect(await logitBits(peft)).toEqual(live);
  });

  it("gives back full weights throughout in the dtype asked for", async () => {
    for (const dtype of ["f32", "bf16"] as const) {
      const peft = await getPeftModel(quantized(), config.with({ targetModules: ["up"] }));
      train(peft);
      const merged = await peft.mergeAndUnload({ dtype, verify: verify() });
      expect([...merged.namedModules()].filter(([, module]) => module instanceof Linear4bit)).toEqual([]);
      expect(new Set([...merged.parameters()].filter((p) => p.ndim === 2).map((p) => p.dtype))).toEqual(
        new Set(["f32", dtype]),
      );
      const { drift, maxAbsDiff, greedyEqual } = peft.mergeReport!;
      expect(greedyEqual).toBe(true);
      expect(maxAbsDiff).toBeLessThan(dtype === "f32" ? 1e-5 : 0.05);
      expect(drift.map(({ path }) => path)).toEqual(
        dtype === "f32" ? [] : ["layers.0.up.weight", "layers.1.up.weight"],
      );
    }
  });

  it("requantises when asked, and tells what weights and logits lost", async () => {
    const peft = await trained();
    const live = await logitBits(peft);
    await peft.mergeAdapter({ requantize: true, verify: verify() });
    const { drift, maxAbsDiff, adapters } = peft.mergeReport!;
    expect(adapters).toEqual(["default"]);
    expect(drift.map(({ path, dtype }) => `${path} ${dtype}`)).toEqual([
      "layers.0.up.weight nf4",
      "layers.0.down.weight nf4",
      "layers.1.up.weight nf4",
      "layers.1.down.weight nf4",
    ]);
    // A block's largest entry is about 1, and NF4's codes are 0.08 to 0.3 apart.
    for (const { maxAbs, meanAbs } of drift) {
      expect(maxAbs).toBeGreaterThan(meanAbs);
      expect(meanAbs).toBeGreaterThan(1e-3);
      expect(maxAbs).toBeLessThan(0.4);
    }
    expect(maxAbsDiff).toBeGreaterThan(1e-3);
    const merged = await logitBits(peft);
    expect(merged).not.toEqual(live);
    peft.unmergeAdapter();
    expect(await logitBits(peft)).toEqual(live);
    const model = await peft.mergeAndUnload({ requantize: true });
    expect(await logitBits(model)).toEqual(merged);
    expect([...model.parameters()].filter(({ dtype }) => dtype === "nf4").length).toBe(4);
  });

  it("stops at a NaN before anything is written", async () => {
    const peft = await trained();
    const weight = peft.adapterTensors().get("base_model.model.layers.1.up.lora_B.weight")!;
    noGrad(() => copyInto(weight, full(weight.shape, Number.NaN)));
    await expect(peft.mergeAdapter({ requantize: true })).rejects.toThrow(/merging into layers.1.up.weight: .*NaN/);
    await expect(peft.mergeAdapter({ dtype: "f32" })).rejects.toThrow(/would give layers.1.up.weight a NaN/);
    expect(peft.isMerged).toBe(false);
  });

  it("leaves no memory behind", async () => {
    const peft = await trained();
    await peft.mergeAdapter({ requantize: true });
    peft.unmergeAdapter();
    const before = memory().buffers;
    await peft.mergeAdapter({ requantize: true });
    peft.unmergeAdapter();
    expect(memory().buffers).toBe(before);
  });
});

/** Returns the adapter's weights file. */
const saved = async (peft: PeftModel<TinyModel>) => (await peft.adapterFiles()).get("adapter_model.safetensors");

describe("quantizeBase", () => {
  it("gives the same as quantising first, with adapters and their biases in place", async () => {
    const all = config.with({ bias: "all", modulesToSave: ["lm_head"] });
    const late = await getPeftModel(new TinyModel().eval(), all);
    const report = await late.quantizeBase({ blockSize: 32, doubleQuant: true, skipModules: [] });
    expect(report.skipped).toEqual([{ path: "lm_head", reason: "adapters train lm_head" }]);
    const early = await getPeftModel(quantized(), all);
    expect(await logitBits(late)).toEqual(await logitBits(early));
    expect(train(late)).toEqual(train(early));
    expect(await logitBits(late)).toEqual(await logitBits(early));
    const base = await late.disableAdapter(() => logitBits(late));
    expect(base).toEqual(await logitBits(quantized()));
    expect(await saved(late)).toEqual(await saved(early));
  });

  it("refuses while merged, and inside of disableAdapter", async () => {
    const peft = await getPeftModel(new TinyModel(), config);
    await peft.mergeAdapter();
    await expect(peft.quantizeBase()).rejects.toThrow(/default is merged; call unmergeAdapter/);
    peft.unmergeAdapter();
    await expect(peft.disableAdapter(() => peft.quantizeBase())).rejects.toThrow(/inside of disableAdapter/);
  });
});

describe("prepareModelForKbitTraining", () => {
  it("freezes all, widens half precision, keeps ties and packed weights", () => {
    const model = new TinyModel({ dtype: "bf16", quantize: {} });
    prepareModelForKbitTraining(model, { useGradientCheckpointing: false });
    expect([...model.parameters()].some((p) => p.requiresGrad)).toBe(false);
    expect(new Set([...model.parameters()].map(({ dtype }) => dtype))).toEqual(new Set(["f32", "nf4"]));
    const tied = new TinyModel({ tied: true, dtype: "f16" });
    prepareModelForKbitTraining(tied);
    expect([...tied.namedParameters()].some(([name]) => name.startsWith("lm_head"))).toBe(false);
    expect([...tied.parameters()].every(({ dtype }) => dtype === "f32")).toBe(true);
  });

  it("enables gradient checkpointing of a quantised model, and says where there is none", () => {
    let enabled = 0;
    const checkpointing = (model: TinyModel) => Object.assign(model, { gradientCheckpointingEnable: () => enabled++ });
    prepareModelForKbitTraining(checkpointing(new TinyModel({ quantize: {} })));
    prepareModelForKbitTraining(checkpointing(new TinyModel()));
    expect(enabled).toBe(1);
    expect(() => prepareModelForKbitTraining(new TinyModel({ quantize: {} }))).toThrow(
      "TinyModel has no gradientCheckpointingEnable; pass useGradientCheckpointing: false",
    );
  });
});

describe("LoRA over Linear4bit", () => {
  it("counts packed weights by their elements, as PEFT does", async () => {
    const lines: string[] = [];
    const of = async (model: TinyModel) =>
      (await getPeftModel(model, config)).printTrainableParameters((line) => lines.push(line));
    await of(quantized());
    await of(new TinyModel());
    expect(lines[0]).toBe(lines[1]);
  });

  it("a step never holds a packed weight in full", async () => {
    class Wide extends Module {
      proj: UnaryModule = Linear.create(256, 320, { generator: new Generator(1) });

      forward(x: Tensor): Tensor {
        return this.proj.forward(x);
      }
    }
    const model = new Wide();
    await quantize(model, { skipModules: [] });
    const peft = await getPeftModel(model, new LoraConfig({ r: 2, targetModules: ["proj"], initLoraWeights: false }));
    const x = randn([4, 256], { generator: new Generator(2), requiresGrad: true });
    const step = () => scope(() => sum(square(peft.forward(x))).backward());
    step();
    const { bytes } = memory();
    resetPeak();
    step();
    expect(memory().bytes).toBe(bytes);
    expect(memory().peakBytes - bytes).toBeLessThan((4 * 256 * 320) / 4);
    expect(x.grad?.shape).toEqual([4, 256]);
    expect([...peft.parameters()].filter((p) => isPacked(p.dtype)).every((p) => p.grad === null)).toBe(true);
  });

  it("sits on a quantised output layer too, whose packed weight stays out of the file", async () => {
    const model = new TinyModel({ quantize: { skipModules: [] } });
    const peft = await getPeftModel(model, config.with({ targetModules: ["lm_head"] }));
    train(peft);
    expect([...peft.adapterTensors().keys()].map((key) => key.split(".").at(-2))).toEqual(["lora_A", "lora_B"]);
    const again = await PeftModel.fromPretrained(
      new TinyModel({ quantize: { skipModules: [] } }).eval(),
      await peft.adapterFiles(),
    );
    expect(await logitBits(again)).toEqual(await logitBits(peft));
  });

  it("loads an adapter that was trained on full weights", async () => {
    const peft = await getPeftModel(new TinyModel(), config);
    train(peft);
    const again = await PeftModel.fromPretrained(quantized(), await peft.adapterFiles());
    expect(again.targetReport?.matched.length).toBe(4);
    expect(await saved(again)).toEqual(await saved(peft));
  });
});
