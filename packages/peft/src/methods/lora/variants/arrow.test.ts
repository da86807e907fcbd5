import {
  checkpoint,
  init,
  mul,
  noGrad,
  reference,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { toMlx } from "../../../foreign/mlx.ts";
import { type ArrowModelOptions, createArrowModel } from "../../../helpers/createArrowModel.ts";
import { getPeftModel } from "../../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch } from "../../../testing/tinyModel.ts";
import { type ArrowConfig, LoraConfig, type LoraOptions } from "../loraConfig.ts";
// Outputs and gradients of PEFT 0.21.2, recorded by conformance/python/arrow_routing.py.
import golden from "./arrow.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

/** Returns the values that arrow_routing.py assigns to the k-th tensor. */
function wave(shape: readonly number[], k: number, scale = 0.4): Tensor {
  const length = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
  return tensor(values, { shape });
}

const weight = (shape: readonly number[], k: number) => new Parameter(wave(shape, k, 0.9));

/** The network of arrow_routing.py. */
class Net extends Module {
  a: UnaryModule = new Linear(weight([8, 20], 10), weight([8], 11));
  b: UnaryModule = new Linear(weight([6, 8], 12));

  forward(x: Tensor): Tensor {
    return scope(() => this.b.forward(tanh(this.a.forward(x))));
  }

  loss(x: Tensor): Tensor {
    return scope(() => sum(this.forward(x)));
  }
}

type Files = Map<string, string | Uint8Array>;
const alphas: Readonly<Record<number, number>> = { 1: 5, 2: 3, 3: 8, 4: 3, 5: 4, 6: 6 };

/** The files of an adapter of arrow_routing.py. */
function adapter(number: number, dtype: "f32" = "f32"): Files {
  const shapes: Readonly<Record<string, number[]>> = {
    "a.lora_A": [3, 20],
    "a.lora_B": [8, 3],
    "b.lora_A": [3, 8],
    "b.lora_B": [6, 3],
  };
  const tensors = Object.entries(shapes).map(([key, shape], k) => {
    const bytes = new Uint8Array((wave(shape, 100 * number + k).dataSync() as Float32Array).slice().buffer);
    return { name: `base_model.model.${key}.weight`, dtype, shape, bytes };
  });
  const config = { peft_type: "LORA", r: 3, lora_alpha: alphas[number], target_modules: ["a", "b"] };
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

/** Compares values with an error relative to the largest. */
function expectClose(found: ArrayLike<number>, expected: readonly number[], what: string) {
  expect(found, what).toHaveLength(expected.length);
  const bound = 2e-5 * Math.max(...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i] - value), `${what} ${i}`).toBeLessThanOrEqual(bound);
  }
}

const inputs = (seed: number) => wave([2, 4, 20], 20 + seed, 1.3);

function expectPass(peft: PeftModel<Net>, seed: number, { outputs, x: gradient }: (typeof golden)[0]["more"]) {
  const x = inputs(seed);
  x.requiresGrad = true;
  const y = peft.forward(x);
  expectClose(y.dataSync() as Float32Array, outputs, "outputs");
  sum(mul(y, wave([2, 4, 6], 30, 1))).backward();
  expectClose(x.grad!.dataSync() as Float32Array, gradient, "gradient of the input");
}

const quiet = { onWarning: () => {} };
const tasks = () => [1, 2, 3].map((number) => adapter(number));

function optionsOf({
  top_k: topK,
  router_temperature: routerTemperature,
  use_gks: useGks,
  rng_seed: rngSeed,
}: {
  top_k: number;
  router_temperature?: number;
  use_gks?: boolean;
  rng_seed: number;
}): Partial<ArrowConfig> {
  return { topK, rngSeed, ...(routerTemperature ? { routerTemperature } : {}), ...(useGks ? { useGks } : {}) };
}

test.each(golden)("$options: outputs and gradients are those of PEFT", async ({ options, passes, ...expected }) => {
  const generalAdapters = options.use_gks ? [adapter(4), adapter(5)] : [];
  const peft = await createArrowModel(new Net().eval(), tasks(), optionsOf(options), { generalAdapters, ...quiet });
  expect([...peft.peftConfig.keys()]).toEqual(expected.names);
  expect(peft.activeAdapter).toBe("arrow_router");
  expect([...peft.trainableParameters()].reduce((all, p) => all + p.size, 0)).toBe(expected.trainable);
  for (const [seed, pass] of passes.entries()) expectPass(peft, seed, pass);
  const router = await peft.adapterFiles(["arrow_router"]);
  const [json] = [...router].filter(([name]) => name.endsWith("adapter_config.json")).map(([, text]) => text as string);
  const { arrow_config: arrowConfig, r, target_modules: targets } = expected.config;
  expect(JSON.parse(json)).toMatchObject({ arrow_config: arrowConfig, r });
  expect(JSON.parse(json).target_modules.sort()).toEqual([...targets].sort());
  await peft.loadAdapter(adapter(6), "more");
  expectPass(peft, 0, expected.more);
  peft.setAdapter("task_1");
  expectPass(peft, 0, expected.task_1);
});

test("a saved router mixes the adapters of the model onto which it is loaded", async () => {
  const peft = await createArrowModel(new Net().eval(), tasks(), { topK: 2, rngSeed: 5 }, quiet);
  const files = new Map(
    [...(await peft.adapterFiles(["arrow_router"]))].map(([name, value]) => [name.replace(/^.*\//, ""), value]),
  );
  const again = await PeftModel.fromPretrained(new Net().eval(), adapter(3), { ...quiet, adapterName: "x" });
  await again.loadAdapter(files, "router");
  await again.loadAdapter(adapter(1), "y");
  await again.loadAdapter(adapter(2), "z");
  again.setAdapter("router");
  expectPass(again, 1, golden[0].passes[1]);
  again.deleteAdapter("y");
  again.deleteAdapter("z");
  expect(() => again.forward(inputs(0))).toThrow("arrowConfig.topK is 2, but a has only 1 experts");
  again.deleteAdapter("x");
  expect(() => again.forward(inputs(0))).toThrow("the Arrow router has no experts on a: load the adapters");
});

test("without a seed, prototypes start from the adapter's generator, and outputs are reproducible", async () => {
  const run = async (rngSeed: number | null) => {
    const peft = await createArrowModel(new Net().eval(), tasks(), { topK: 3, rngSeed }, quiet);
    return noGrad(() => peft.forward(inputs(0)).dataSync() as Float32Array);
  };
  const found = await run(null);
  expect(await run(null)).toEqual(found);
  expect(await run(5)).not.toEqual(found);
});

test("rows of a batch can use the router, and recomputed passes have equal gradients", async () => {
  const peft = await createArrowModel(new Net().eval(), tasks(), { topK: 2, rngSeed: 5 }, quiet);
  const x = inputs(0);
  const outputs = noGrad(() => peft.forward(x).dataSync() as Float32Array);
  const mixed = await peft.withAdapterNames(["arrow_router", "task_1"], () => noGrad(() => peft.forward(x)));
  peft.setAdapter("task_1");
  const other = noGrad(() => peft.forward(x).dataSync() as Float32Array);
  expectClose(mixed.dataSync() as Float32Array, [...outputs.slice(0, 24), ...other.slice(24)], "mixed");
  peft.setAdapter("arrow_router");
  x.requiresGrad = true;
  sum(mul(checkpoint((t: Tensor) => peft.forward(t))(x), wave([2, 4, 6], 30, 1))).backward();
  expectClose(x.grad!.dataSync() as Float32Array, golden[0].passes[0].x, "gradient");
});

test("an expert that is trained further gets another prototype", async () => {
  const peft = await createArrowModel(new Net().eval(), tasks(), { topK: 1, rngSeed: 5 }, quiet);
  const before = noGrad(() => peft.forward(inputs(0)).dataSync());
  await peft.hotswapAdapter(adapter(6), "task_0");
  const after = noGrad(() => peft.forward(inputs(0)).dataSync());
  const fresh = await createArrowModel(
    new Net().eval(),
    [adapter(6), ...tasks().slice(1)],
    { topK: 1, rngSeed: 5 },
    quiet,
  );
  expect(after).not.toEqual(before);
  expect(after).toEqual(noGrad(() => fresh.forward(inputs(0)).dataSync()));
});

const tinyFiles = async (options: LoraOptions = {}) =>
  (
    await getPeftModel(new TinyModel(), new LoraConfig({ r: 2, targetModules: ["up", "down"], ...options }), quiet)
  ).adapterFiles();

test("a Conv1D is routed, modules of the same name without experts are not, and routers are neither merged nor combined", async () => {
  const options: LoraOptions = { initLoraWeights: false, targetModules: ["layers.0.up", "layers.0.down"] };
  const files = [await tinyFiles(options), await tinyFiles({ ...options, loraAlpha: 3 })];
  const model = new TinyModel().eval();
  const bits = await logitBits(model);
  const peft = await createArrowModel(model, files, { topK: 2 }, quiet);
  expect(await logitBits(peft)).not.toEqual(bits);
  expect((peft.peftConfig.get("arrow_router") as LoraConfig).targetModules).toEqual(["layers.0.up", "layers.0.down"]);
  await expect(peft.mergeAdapter()).rejects.toThrow("Arrow router");
  const combined = peft.addWeightedAdapter(["arrow_router", "task_0"], [1, 1], "both", { combinationType: "cat" });
  await expect(combined).rejects.toThrow("arrowConfig");
  const router = await peft.adapterFiles(["arrow_router"]);
  const inner = new Map([...router].map(([name, value]) => [name.replace(/^.*\//, ""), value]));
  await expect(toMlx(inner)).rejects.toThrow("arrowConfig cannot be held by mlx-lm's format");
  peft.train();
  scope(() => expect(peft.loss(tinyBatch()).dataSync()[0]).toBeGreaterThan(0));
});

test.each<[Partial<ArrowConfig>, ArrowModelOptions, LoraOptions[], string]>([
  [{}, {}, [], "there are no adapters of tasks"],
  [{ topK: 2 }, {}, [{}], "topK is 2, but there are only 1 adapters"],
  [{ topK: 0 }, {}, [{}], "arrowConfig.topK is 0"],
  [{ topK: 1, routerTemperature: 0 }, {}, [{}], "arrowConfig.routerTemperature is 0; it must be above 0"],
  [{ topK: 1, rngSeed: -1 }, {}, [{}], "arrowConfig.rngSeed is -1"],
  [{ topK: 1, useGks: 1 as unknown as boolean }, { generalAdapters: [] }, [{}], "useGks needs generalAdapters"],
  [{ topK: 1, k: 1 } as object, {}, [{}], "LoraConfig: arrowConfig"],
  [{ topK: 1 }, {}, [{}, { r: 3 }], '"task_0" and "task_1" have A [2,6] and [3,6] on layers.0.up'],
  [{ topK: 1 }, {}, [{}, { targetModules: ["up"] }], "only one of them adapts layers.0.down"],
  [{ topK: 1 }, {}, [{ useDora: true }], 'adapter "task_0" has base_model.model.layers.0.up.lora_magnitude_vector'],
  [{ topK: 1 }, {}, [{ targetModules: ["embed_tokens"] }], "which a router cannot mix"],
])("%j, %j with %j is refused, and the model is unchanged", async (arrow, options, adapters, message) => {
  const model = new TinyModel().eval();
  const before = [...model.namedParameters()].map(([name]) => name);
  const files = await Promise.all(adapters.map(tinyFiles));
  await expect((async () => createArrowModel(model, files, arrow, { ...options, ...quiet }))()).rejects.toThrow(
    message,
  );
  expect([...model.namedParameters()].map(([name]) => name)).toEqual(before);
});

test.each<[LoraOptions, string]>([
  [{ arrowConfig: {}, loraBias: true }, "loraBias is true; it must be false with arrowConfig"],
  [{ arrowConfig: {}, initLoraWeights: "pissa" }, "it must be true with arrowConfig"],
  [{ arrowConfig: {}, useDora: true }, "it must be left out with arrowConfig"],
  [{ arrowConfig: {}, targetModules: ["embed_tokens"] }, "embed_tokens is of the kind embedding"],
])("%j: a router's configuration is refused", async (options, message) => {
  const config = async () =>
    getPeftModel(new TinyModel(), new LoraConfig({ targetModules: ["up"], ...options }), quiet);
  await expect(config()).rejects.toThrow(message);
});

test("an expert of another form, added later, is an error", async () => {
  const peft = await createArrowModel(new TinyModel().eval(), [await tinyFiles()], { topK: 1 }, quiet);
  await peft.addAdapter("dora", new LoraConfig({ r: 2, targetModules: ["up"], useDora: true }));
  await expect(logitBits(peft)).rejects.toThrow('adapter "dora" on layers.0.up is not only a product B A');
});
