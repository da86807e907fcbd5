import { copyInto, init, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import { Linear, Module } from "@lowrank/nn";
import { beforeAll, describe, expect, it, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { PromptTuningConfig } from "../methods/prompt/promptTuning.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { injectAdapterInModel, rescaleAdapterScale, setRequiresGrad } from "./adapterSwitches.ts";
import golden from "./helpers.gen.json" with { type: "json" };
import { type IntruderOptions, reduceIntruderDimension } from "./intruders.ts";
import { findKappaTargetModules, type KappaLayer } from "./kappaTargets.ts";
import { getLayerStatus, getModelStatus } from "./status.ts";

beforeAll(() => init(reference()));

class Tiny extends Module {
  up = Linear.create(12, 18);
  down = Linear.create(18, 9);
  out = Linear.create(9, 6);
  head = Linear.create(6, 2);

  forward(x: Tensor): Tensor {
    return [this.up, this.down, this.out, this.head].reduce((y, layer) => layer.forward(y), x);
  }
}

const lora = (options: LoraOptions) => new LoraConfig({ r: 2, targetModules: ["up", "down"], ...options });
const silent = { onWarning: () => {} };
const set = (to: Tensor, values: number[]) => noGrad(() => copyInto(to, tensor(values, { shape: to.shape })));
const parametersOf = (model: Module) => new Map(model.namedParameters());

/** Returns the rows of a matrix. */
function rowsOf(matrix: Tensor): number[][] {
  const [values, [rows, columns]] = [[...matrix.dataSync()].map(Number), matrix.shape];
  return Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

/** Returns the change of a linear layer's weight by an adapter: its scaling times B A. */
function changeOf(peft: PeftModel<Tiny>, path: string, adapter: string): number[] {
  const layer = peft.base_model.wrappers.get(path) as unknown as {
    get(name: string): { parameters: Record<string, Tensor>; scaling: number };
  };
  const { parameters, scaling } = layer.get(adapter);
  const [a, b] = ["lora_A.weight", "lora_B.weight"].map((key) => rowsOf(parameters[key]));
  return b.flatMap((row) => a[0].map((_, k) => scaling * row.reduce((sum, x, j) => sum + x * a[j][k], 0)));
}

describe("findKappaTargetModules", () => {
  const model = () => {
    const made = new Tiny();
    for (const [name, values] of Object.entries(golden.kappa.weights)) set(parametersOf(made).get(name)!, values);
    return made;
  };

  it("finds PEFT's layers and condition numbers", async () => {
    const kappas: Record<string, number> = {};
    for (const [topP, wanted] of Object.entries(golden.kappa.found)) {
      const onLayer = ({ path, kappa }: KappaLayer) => Object.assign(kappas, { [path]: kappa });
      expect(await findKappaTargetModules(model(), { topP: Number(topP), onLayer })).toEqual(wanted);
    }
    for (const [path, wanted] of Object.entries(golden.kappa.kappas)) expect(kappas[path]).toBeCloseTo(wanted, 3);
    expect(await findKappaTargetModules(model(), { topP: 1, maxDimSizeToAnalyze: 12 })).toEqual(golden.kappa.limited);
  });

  it("refuses a share out of range, and a limit below all layers", async () => {
    const message = "findKappaTargetModules: topP is 0; it must be above 0 and at most 1";
    await expect(findKappaTargetModules(model(), { topP: 0 })).rejects.toThrow(message);
    await expect(findKappaTargetModules(model(), { maxDimSizeToAnalyze: 3 })).rejects.toThrow(
      "maxDimSizeToAnalyze is 3, and the model has no linear layer of at most this size",
    );
  });
});

describe("reduceIntruderDimension", () => {
  const names = ["up", "down", "out"] as const;
  const make = async ({ given, ranks }: (typeof golden.intruders)[number], options: LoraOptions = {}) => {
    const rankPattern = Object.fromEntries(Object.entries(ranks));
    const config = lora({ r: 3, loraAlpha: 6, targetModules: [...names], rankPattern, ...options });
    const peft = await getPeftModel(new Tiny(), config, silent);
    for (const name of names) {
      const parameters = parametersOf(peft);
      const path = `base_model.model.${name}`;
      set(parameters.get(`${path}.base_layer.weight`)!, given[name].weight);
      set(parameters.get(`${path}.lora_A.default.weight`)!, given[name].a);
      set(parameters.get(`${path}.lora_B.default.weight`)!, given[name].b);
    }
    return peft;
  };
  const camel = (name: string) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

  test.each(golden.intruders)("changes layers as PEFT does with $options", async (one) => {
    const options = Object.fromEntries(Object.entries(one.options).map(([key, value]) => [camel(key), value]));
    const peft = await make(one);
    const counts: Record<string, number> = {};
    await reduceIntruderDimension(peft, {
      ...options,
      onLayer: ({ path, intruders }) => Object.assign(counts, { [path]: intruders }),
    });
    expect(counts).toEqual(one.counts);
    expect(peft.activeAdapter).toBe("intruder_reduced");
    for (const name of names) {
      const change = changeOf(peft, name, "intruder_reduced");
      for (const [i, wanted] of one.after[name].entries()) expect(change[i]).toBeCloseTo(wanted, 4);
      const { b } = one.given[name];
      expect(parametersOf(peft).get(`base_model.model.${name}.lora_B.default.weight`)!.dataSync()).toEqual(
        Float32Array.from(b),
      );
    }
  });

  it("leaves nothing behind if it fails, and names what it refuses", async () => {
    const [one] = golden.intruders;
    const peft = await make(one);
    const failing: IntruderOptions = {
      onLayer: () => {
        throw new Error("stop");
      },
    };
    await expect(reduceIntruderDimension(peft, failing)).rejects.toThrow("stop");
    expect([...peft.peftConfig.keys()]).toEqual(["default"]);
    for (const [options, message] of [
      [{ topK: 0 }, "topK is 0; it must be a positive integer"],
      [{ thresholdEpsilon: -1 }, "thresholdEpsilon is -1; it must be at least 0"],
      [{ mitigationLambda: Number.NaN }, "mitigationLambda is NaN; it must be a finite number"],
      [{ newAdapterName: "default" }, 'there is an adapter "default" already'],
      [{ oldAdapterName: "none" }, 'there is no adapter "none"'],
    ] as const) {
      await expect(reduceIntruderDimension(peft, options)).rejects.toThrow(message);
    }
    const dora = await make(one, { useDora: true });
    await expect(reduceIntruderDimension(dora)).rejects.toThrow('adapter "default" has useDora; only plain LoRA');
    const ia3 = await getPeftModel(new Tiny(), new IA3Config({ targetModules: ["up"], feedforwardModules: [] }));
    await expect(reduceIntruderDimension(ia3)).rejects.toThrow('adapter "default" is IA3; it must be a LORA adapter');
  });

  it("keeps the orientation of embeddings and of weights stored as [in, out]", async () => {
    const peft = await getPeftModel(new TinyModel(), lora({ r: 4, targetModules: ["embed_tokens", "down"] }), silent);
    const parameters = parametersOf(peft);
    for (const [name, p] of parameters) {
      if (!name.includes("lora_")) continue;
      set(
        p,
        Array.from({ length: p.size }, (_, i) => Math.sin(i * 1.7 + name.length)),
      );
    }
    const counts: number[] = [];
    const onLayer = ({ intruders }: { intruders: number }) => void counts.push(intruders);
    // With a share of 1, intruders stay as they are, so that the product is the same.
    const ids = tensor(Int32Array.of(1, 2, 3), { shape: [1, 3] });
    const run = () => [...peft.forward(ids).logits.dataSync()].map(Number);
    const before = run();
    await reduceIntruderDimension(peft, { thresholdEpsilon: 2, mitigationLambda: 1, onLayer });
    expect(counts.every((count) => count > 0)).toBe(true);
    for (const [i, value] of run().entries()) expect(value).toBeCloseTo(before[i], 3);
  });
});

describe("status", () => {
  const snake = (value: object): object =>
    Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), one]),
    );
  const read = (peft: PeftModel<Tiny>) => ({
    layers: getLayerStatus(peft).map((layer) => ({ ...snake(layer), name: `model.${layer.name}` })),
    model: snake(getModelStatus(peft)),
  });

  it("is PEFT's at the start, with gradients of both adapters, and after a merge", async () => {
    const peft = await getPeftModel(new Tiny(), lora({ modulesToSave: ["head"] }), silent);
    await peft.addAdapter("other", lora({ targetModules: ["down"] }));
    expect(read(peft)).toMatchObject(golden.status.start);
    setRequiresGrad(peft, "other");
    expect(read(peft)).toMatchObject(golden.status.both);
    peft.setAdapter("other");
    await peft.mergeAdapter();
    // In PEFT, an adapter is also active on layers that it does not change.
    const { layers, model } = golden.status.merged;
    const unnamed = <T extends object>({ active_adapters: _, ...rest }: T & { active_adapters: unknown }) => rest;
    expect(read(peft)).toMatchObject({ layers: layers.map(unnamed), model: unnamed(model) });
  });

  it("has the kinds of modules, their backends and quantised weights, and whether adapters are off", async () => {
    const peft = await getPeftModel(new Tiny(), lora({ modulesToSave: ["head"] }), silent);
    const [up, , head] = getLayerStatus(peft);
    expect([up.moduleType, head.moduleType, up.quantization, up.backends]).toEqual([
      ...["linear", "saved", null],
      { default: ["reference"] },
    ]);
    expect(peft.disableAdapter(() => getModelStatus(peft).enabled)).toBe(false);
    expect(getModelStatus(peft)).toMatchObject({ enabled: true, quantization: null });
  });

  it("of prompts alone is an error", async () => {
    const config = new PromptTuningConfig({ numVirtualTokens: 2 });
    const peft = await getPeftModel(new TinyModel({ attention: true }), config, silent);
    expect(() => getLayerStatus(peft)).toThrow("getLayerStatus: no adapter of this model changes a module");
  });
});

describe("switches", () => {
  it("rescaleAdapterScale interpolates, and restores the scalings even if the function throws", async () => {
    const peft = await getPeftModel(new Tiny(), lora({ targetModules: ["head"], initLoraWeights: false }), silent);
    const x = tensor(new Float32Array(12).fill(0.5), { shape: [1, 12] });
    const run = () => [...peft.forward(x).dataSync()].map(Number);
    const [adapted, base] = [run(), peft.disableAdapter(run)];
    const half = rescaleAdapterScale(peft, 0.5, run);
    for (const [i, value] of half.entries()) expect(value).toBeCloseTo((adapted[i] + base[i]) / 2, 5);
    expect(run()).toEqual(adapted);
    await expect(rescaleAdapterScale(peft, 0, async () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(run()).toEqual(adapted);
    expect(() => rescaleAdapterScale(peft, Number.NaN, run)).toThrow("multiplier is NaN; it must be a finite number");
    await peft.mergeAdapter();
    expect(() => rescaleAdapterScale(peft, 1, run)).toThrow("an adapter is merged; call unmergeAdapter first");
    const ia3 = await getPeftModel(new Tiny(), new IA3Config({ targetModules: ["up"], feedforwardModules: [] }));
    expect(() => rescaleAdapterScale(ia3, 1, run)).toThrow("the model has no LoRA layer");
  });

  it("setRequiresGrad changes adapters that are not active, but no tensor that never trains", async () => {
    const peft = await getPeftModel(new Tiny(), lora({ initLoraWeights: "mica" }), silent);
    await peft.addAdapter("b", lora({ targetModules: ["up"] }));
    const trained = () =>
      [...parametersOf(peft)].flatMap(([name, p]) => (p.requiresGrad ? name.replace(/^base_model.model./, "") : []));
    const own = ["up.lora_A.default.weight", "down.lora_A.default.weight"];
    expect(trained()).toEqual(own);
    setRequiresGrad(peft, ["default", "b"]);
    expect(new Set(trained())).toEqual(new Set([...own, "up.lora_A.b.weight", "up.lora_B.b.weight"]));
    setRequiresGrad(peft, ["default", "b"], false);
    expect(trained()).toEqual([]);
    expect(() => setRequiresGrad(peft, ["default", "c"])).toThrow('there is no adapter "c"');
  });

  it("injectAdapterInModel returns the model with its adapter", async () => {
    const model = new Tiny();
    const injected = await injectAdapterInModel(lora({ initLoraWeights: false }), model, { adapterName: "mine" });
    expect(injected).toBe(model);
    expect([...parametersOf(model).keys()]).toContain("up.lora_A.mine.weight");
    await expect(injectAdapterInModel(lora({}), model)).rejects.toThrow();
  });
});
