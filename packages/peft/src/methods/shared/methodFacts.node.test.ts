import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { affine, Generator, init, mul, noGrad, reference, scope, type Tensor, zeros } from "@lowrank/core";
import { Linear, Parameter, type UnaryModule } from "@lowrank/nn";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { describeAdapter } from "../../plan/describeAdapter.ts";
import type { BuiltModel, ModelShapes, PlannableModel } from "../../plan/onShapes.ts";
import { planMemory } from "../../plan/planMemory.ts";
import { reportAdapter } from "../../plan/reportAdapter.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { methodOf, registerPeftMethod } from "../registry.ts";
import { definePeftMethod, type LayerContext } from "./method.ts";

interface ScaleOptions extends PeftOptions {
  /** The factor of the trained values. */
  strength?: number;
  /** Number of parts whose sum is a layer's scale. */
  parts?: number;
  /** "doubled" doubles the base weights. */
  start?: "plain" | "doubled";
}

class ScaleConfig extends PeftConfig {
  readonly strength: number;
  readonly parts: number;
  readonly start: "plain" | "doubled";

  constructor(options: ScaleOptions = {}) {
    super("test/FACTS", options);
    this.strength = options.strength ?? 1;
    this.parts = options.parts ?? 1;
    this.start = options.start ?? "plain";
  }
}

/** Scales a linear layer's output: y (1 + strength s). */
class Scale implements LayerAdapter {
  readonly parameters: { readonly scale: Parameter };
  readonly baseWeight?: Tensor;
  scaling: number;

  constructor({ base, config }: LayerContext<ScaleConfig>) {
    const { outFeatures, weight } = base as Linear;
    using start = zeros([outFeatures], { backend: weight.storage.backend });
    this.parameters = { scale: new Parameter(start) };
    this.scaling = config.strength;
    if (config.start === "doubled") this.baseWeight = noGrad(() => affine(weight, { scale: 2 }));
  }

  get #factors(): Tensor {
    return affine(this.parameters.scale, { scale: this.scaling, shift: 1 });
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => mul(base.forward(x), this.#factors));
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    const factors = this.#factors;
    return { weight: mul(weight, factors.reshape([-1, 1])), bias: bias && mul(bias, factors), fanInFanOut };
  }
}

registerPeftMethod(
  definePeftMethod<ScaleConfig>({
    peftType: "test/FACTS",
    Config: ScaleConfig,
    format: { classic: ["target_modules", "task_type"], floats: ["strength"], refused: {}, ignored: {} },
    kinds: ["linear"],
    defaultTargets: {},
    trainsHeads: false,
    followsBaseDtype: true,
    countedConstants: (dtype) => (dtype === "bf16" ? 3 : 0),
    swappable: async () => ({ fields: ["strength"] }),
    startsFromWeights: (config) =>
      config.start === "plain" ? null : { name: config.start, onSetWeights: config.with({ start: "plain" }) },
    combines: { kind: "factors", key: "scale", targets: ["targetModules"] },
    createLayer: (context) => new Scale(context),
  }),
);

/** A method with only the required properties. */
class QuietConfig extends PeftConfig {
  readonly strength: number;

  constructor(options: PeftOptions & { strength?: number } = {}) {
    super("test/QUIET", options);
    this.strength = options.strength ?? 1;
  }
}

registerPeftMethod(
  definePeftMethod<QuietConfig>({
    peftType: "test/QUIET",
    Config: QuietConfig,
    format: { classic: ["target_modules", "task_type"], floats: ["strength"], refused: {}, ignored: {} },
    kinds: ["linear"],
    defaultTargets: {},
    createLayer: (context) => new Scale(context as unknown as LayerContext<ScaleConfig>),
  }),
);

let folders: string;
beforeAll(async () => {
  await init(reference());
  folders = await mkdtemp(join(tmpdir(), "lowrank-facts-"));
});
afterAll(() => rm(folders, { recursive: true }));

const targets = { targetModules: ["up"] };
const made = (config: PeftConfig, warnings: Warning[] = []) =>
  getPeftModel(new TinyModel().eval(), config, {
    generator: new Generator(1),
    onWarning: (warning) => void warnings.push(warning),
  });
const trained = async (config: PeftConfig, lr = 0.05) => {
  const peft = await made(config);
  const losses = train(peft, 4, lr);
  expect(losses[3]).toBeLessThan(losses[0]);
  return peft;
};

test("a method from outside trains, is saved, verified, loaded and merged", async () => {
  const peft = await trained(new ScaleConfig({ ...targets, strength: 2 }));
  const folder = join(folders, "scale");
  const [report] = await peft.savePretrained(folder, { verify: { inputs: tinyBatch() } });
  expect(report).toMatchObject({ maxAbsDiff: 0 });
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), folder);
  expect(again.peftConfig.get("default")).toEqual(peft.peftConfig.get("default"));
  expect(await logitBits(again)).toEqual(await logitBits(peft));
  await again.loadAdapter(folder, "second");
  again.setAdapter("second");
  expect(await logitBits(again)).toEqual(await logitBits(peft));
  await peft.mergeAndUnload({ verify: { inputs: tinyBatch() } });
  expect(peft.mergeReport).toMatchObject({ adapters: ["default"], drift: [] });
});

test("a hot swap may change the fields that it names, and no others", async () => {
  const files = await (await trained(new ScaleConfig({ ...targets, strength: 3 }))).adapterFiles();
  const peft = await trained(new ScaleConfig(targets), 0.01);
  const held = [...peft.trainableParameters()];
  await peft.hotswapAdapter(files);
  expect(await logitBits(peft)).toEqual(await logitBits(await PeftModel.fromPretrained(new TinyModel(), files)));
  expect([...peft.trainableParameters()]).toEqual(held);
  const other = await (await made(new ScaleConfig({ ...targets, parts: 2 }))).adapterFiles();
  await expect(peft.hotswapAdapter(other)).rejects.toThrow('parts is 2 in the new files, but 1 in adapter "default"');
  const doubled = await (await made(new ScaleConfig({ ...targets, start: "doubled" }))).adapterFiles();
  await expect(peft.hotswapAdapter(doubled)).rejects.toThrow("the new adapter was initialised by doubled");
  const quiet = await made(new QuietConfig(targets));
  const louder = await (await made(new QuietConfig({ ...targets, strength: 2 }))).adapterFiles();
  await expect(quiet.hotswapAdapter(louder)).rejects.toThrow(
    'strength is 2 in the new files, but 1 in adapter "default"',
  );
  await quiet.hotswapAdapter(await (await trained(new QuietConfig({ ...targets, revision: "b" }))).adapterFiles());
});

test("a start that changes base weights is a warning, and is verified on them", async () => {
  const warnings: Warning[] = [];
  const peft = await made(new ScaleConfig({ ...targets, start: "doubled" }), warnings);
  train(peft);
  const options = { verify: { inputs: tinyBatch() } };
  const [report] = await peft.savePretrained(join(folders, "doubled"), options);
  expect(report).toMatchObject({ maxAbsDiff: 0 });
  expect(warnings.map(({ code }) => code)).toEqual(["changed-base", "changed-base"]);
  expect(warnings[1].message).toContain('"default" started from doubled');
  const convert = { pathInitialModelForWeightConversion: await peft.adapterFiles() };
  await expect(peft.adapterFiles(undefined, convert)).rejects.toThrow(
    "test/FACTS, whose initial values cannot be subtracted",
  );
});

test("adapters of a method that combines add up; others are refused", async () => {
  const peft = await trained(new ScaleConfig(targets));
  await peft.addAdapter("b", new ScaleConfig(targets));
  const { layers } = await peft.addWeightedAdapter(["default", "b"], [0.5, 2], "sum", { combinationType: "linear" });
  expect(layers.map(({ path }) => path)).toEqual(["layers.0.up", "layers.1.up"]);
  const [sum, one] = ["sum", "default"].map((name) => [...peft.adapterTensors(name).values()][0]);
  expect(await sum.data()).toEqual(await affine(one, { scale: 0.5 }).data());
  await peft.addAdapter("c", new QuietConfig(targets));
  await expect(peft.addWeightedAdapter(["c"], [1], "x")).rejects.toThrow('adapter "c" is test/QUIET; only');
  await expect(peft.addWeightedAdapter(["b", "c"], [1, 1], "x")).rejects.toThrow('adapter "c" is test/QUIET; only');
});

test("heads of a task train beside a method, unless it says otherwise", async () => {
  class Classifier extends TinyModel {
    score = new Linear(new Parameter(zeros([2, 4])));
  }
  const heads = async (config: PeftConfig) =>
    [...(await getPeftModel(new Classifier(), config)).adapterTensors().keys()].filter((key) => key.includes("score"));
  expect(await heads(new ScaleConfig({ ...targets, taskType: "SEQ_CLS" }))).toEqual([]);
  expect(await heads(new QuietConfig({ ...targets, taskType: "SEQ_CLS" }))).toEqual(["base_model.model.score.weight"]);
});

/** A `TinyModel` with the methods that the planner requires. */
class PlannedModel extends TinyModel {
  readonly maxPositions = 16;

  gradientCheckpointingEnable(): void {}

  createCache(): object {
    return {};
  }

  nextLogits({ inputIds }: { inputIds: Tensor }): Tensor {
    return super.forward(inputIds).logits;
  }

  override forward(inputs: never): never {
    return super.forward((inputs as { inputIds?: Tensor }).inputIds ?? inputs) as never;
  }

  override loss(inputs: never): Tensor {
    return super.loss((inputs as { inputIds: Tensor }).inputIds);
  }
}

/** The shapes of a `TinyModel`. */
function shapes(): PlannableModel {
  const parameters = Array.from(new TinyModel().namedParameters(), ([name, { shape }]) => ({ name, shape }));
  const build: ModelShapes["build"] = (source) => {
    const model = new PlannedModel();
    for (const [path, module] of model.namedModules()) {
      for (const key of ["weight", "bias"] as const) {
        const owner = module as unknown as Record<string, Parameter | null | undefined>;
        const value = owner[key];
        if (value instanceof Parameter) owner[key] = source(`${path}.${key}`, value.shape);
      }
    }
    return model as never;
  };
  return { modelType: "tiny", parameters, build: build as (...options: Parameters<typeof build>) => BuiltModel };
}

test("plans and reports are the real adapter's, with the constants and dtypes that the method says", async () => {
  const config = new ScaleConfig(targets);
  const peft = await made(config);
  const file = (await peft.adapterFiles()).get("adapter_model.safetensors") as Uint8Array;
  const { trainable } = peft.getNbTrainableParameters();
  const described = await describeAdapter(shapes(), config);
  expect(described).toMatchObject({ trainable, fileBytes: file.length, warnings: [] });
  const half = await describeAdapter(shapes(), config, { dtype: "bf16" });
  expect(half.tensors.map(({ dtype }) => dtype)).toEqual(["bf16", "bf16"]);
  expect(half.trainable).toBe(trainable + 2 * 3);
  const quiet = await describeAdapter(shapes(), new QuietConfig(targets), { dtype: "bf16" });
  expect(quiet.tensors.map(({ dtype }) => dtype)).toEqual(["f32", "f32"]);
  expect(quiet.trainable).toBe(trainable);
  expect(await reportAdapter(shapes(), config)).toMatchObject({
    ...{ peftType: "test/FACTS", trainable, mergeable: true, bytesSaved: file.length },
  });
  const plan = await planMemory(shapes(), { adapter: config, sequenceLength: 8 });
  expect(plan.adapter).toEqual({ parameters: trainable, bytes: 4 * trainable });
  expect(plan.training.bytes).toBeGreaterThan(plan.weights.bytes);
});

test("a configuration finds its method", async () => {
  expect((await methodOf(new ScaleConfig())).trainsHeads).toBe(false);
  await expect(methodOf({ peftType: "test/NONE" } as PeftConfig)).rejects.toThrow("there is no method test/NONE");
});
