import {
  add,
  bytesSource,
  copyInto,
  Generator,
  init,
  mul,
  noGrad,
  openSafetensors,
  reference,
  relu,
  scope,
  slice,
  sum,
  type Tensor,
  tanh,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { AdamW, Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { xloraModel } from "../../helpers/xloraModel.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { LoraConfig } from "../lora/loraConfig.ts";
// Outputs and gradients of PEFT 0.21.2, recorded by conformance/python/xlora_passes.py.
import golden from "./xlora.gen.json" with { type: "json" };
import { XLoraConfig, type XLoraOptions } from "./xloraConfig.ts";
import { chosenOfEqual } from "./xloraModel.ts";

beforeAll(() => init(reference()));

/** Returns the values that xlora_passes.py assigns to the k-th tensor. */
function wave(shape: readonly number[], k: number, scale = 0.4): Tensor {
  const length = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
  return tensor(values, { shape });
}

const weight = (shape: readonly number[], k: number) => new Parameter(wave(shape, k, 0.9));

class Stack extends Module {
  embed: UnaryModule = new Embedding(weight([11, 6], 10));
  a: UnaryModule = new Linear(weight([8, 6], 11), weight([8], 12));
  b: UnaryModule = new Linear(weight([6, 8], 13));
  c: UnaryModule = new Linear(weight([6, 6], 14), weight([6], 15));

  forward(ids: Tensor): Tensor {
    let x = this.embed.forward(ids);
    x = add(x, this.b.forward(tanh(this.a.forward(x))));
    return add(x, tanh(this.c.forward(x)));
  }
}

type Inputs = { inputIds: Tensor };

/** The network of xlora_passes.py. */
class Net extends Module {
  model: Stack = new Stack();
  head: UnaryModule = new Linear(weight([5, 6], 16));

  hidden({ inputIds }: Inputs, _wanted?: "all" | "last"): Tensor {
    return this.model.forward(inputIds);
  }

  forward(inputs: Inputs): Tensor {
    return scope(() => this.head.forward(this.hidden(inputs)));
  }

  loss(inputs: Inputs): Tensor {
    return scope(() => {
      const hidden = this.hidden(inputs);
      return sum(relu(this.head.forward(slice(hidden, { dim: 1, end: hidden.shape[1] - 1 }))));
    });
  }
}

type Files = Map<string, string | Uint8Array>;
const sizes: Readonly<Record<string, readonly [out: number, inputs: number]>> = {
  a: [8, 6],
  b: [6, 8],
  c: [6, 6],
  head: [5, 6],
};
const alphas = [5, 8, 3];
const ranks = [3, 2, 4];
const targets = [
  ["embed", "a", "b"],
  ["a", "c"],
  ["b", "c"],
];

/** The files of an expert of xlora_passes.py. */
function expertFiles(
  number: number,
  { layers = targets[number], ...more }: { layers?: string[]; [key: string]: unknown } = {},
): Files {
  const r = ranks[number];
  const shapes: Record<string, number[]> = {};
  for (const layer of layers) {
    if (layer === "embed") {
      shapes["model.embed.lora_embedding_A"] = [r, 11];
      shapes["model.embed.lora_embedding_B"] = [6, r];
      continue;
    }
    const path = layer === "head" ? layer : `model.${layer}`;
    const [out, inputs] = sizes[layer];
    shapes[`${path}.lora_A.weight`] = [r, inputs];
    shapes[`${path}.lora_B.weight`] = [out, r];
  }
  const tensors = Object.keys(shapes)
    .sort()
    .map((key, k) => {
      const shape = shapes[key];
      const bytes = new Uint8Array((wave(shape, 100 * (number + 1) + k).dataSync() as Float32Array).slice().buffer);
      return { name: `base_model.model.${key}`, dtype: "f32" as const, shape, bytes };
    });
  const config = {
    ...{ peft_type: "LORA", r, lora_alpha: alphas[number], target_modules: layers, use_rslora: number === 1 },
    ...more,
  };
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

const experts = () => ({ "0": expertFiles(0), "1": expertFiles(1), "2": expertFiles(2) });
const quiet = { onWarning: () => {} };
const ids = (length = 4): Inputs => ({
  inputIds: tensor(
    Int32Array.from(
      [
        [1, 5, 3, 2],
        [4, 4, 0, 10],
      ].flatMap((row) => row.slice(0, length)),
    ),
    { shape: [2, length] },
  ),
});
const values = (t: Tensor) => [...(t.dataSync() as Float32Array)];

async function made(options: XLoraOptions = {}): Promise<PeftModel<Net>> {
  const peft = await getPeftModel(
    new Net(),
    new XLoraConfig({ hiddenSize: 6, adapters: experts(), ...options }),
    quiet,
  );
  const sorted = [...peft.adapterTensors()].sort(([a], [b]) => (a < b ? -1 : 1));
  noGrad(() => {
    for (const [k, [, classifier]] of sorted.entries()) copyInto(classifier, wave(classifier.shape, 50 + k, 1.5));
  });
  return peft;
}

/** Compares values with an error relative to the largest. */
function expectClose(found: readonly number[], expected: readonly number[], what: string) {
  expect(found, what).toHaveLength(expected.length);
  const bound = 2e-5 * Math.max(...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i] - value), `${what} ${i}`).toBeLessThanOrEqual(bound);
  }
}

const optionsOf = (options: Record<string, unknown>): XLoraOptions => {
  const camel = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [camel(key), value]));
};

describe.each(golden)("$options", ({ options, ...expected }) => {
  const build = () => made(optionsOf(options));

  test("outputs, scalings and gradients are those of PEFT", async () => {
    const peft = await build();
    expect(peft.getNbTrainableParameters().trainable).toBe(expected.trainable);
    expect(peft.base_model.training).toBe(false);
    const logits = peft.forward(ids());
    expectClose(values(logits), expected.logits, "logits");
    const scalings = xloraModel(peft).getLatestScalings()!;
    expect(scalings.shape).toEqual(expected.shape);
    expectClose(values(scalings), expected.scalings, "scalings");
    sum(mul(logits, wave([2, 4, 5], 30, 1))).backward();
    const found = new Map<string, number[]>();
    for (const [name, p] of peft.namedParameters()) {
      if (p.grad)
        found.set(name.replace(/^base_model\.(model\.(?=model))?/, "").replace(".default", ""), values(p.grad));
    }
    const gradients = expected.gradients as unknown as Record<string, number[]>;
    expect([...found.keys()].sort()).toEqual(Object.keys(gradients).sort());
    for (const [name, gradient] of Object.entries(gradients)) expectClose(found.get(name)!, gradient, name);
    expectClose(values(peft.disableAdapter(() => peft.forward(ids()))), expected.base, "base");
  });

  test("the log and the setters do what PEFT's do", async () => {
    const peft = await build();
    const router = xloraModel(peft);
    router.enableScalingsLogging();
    for (const length of [4, 2, 4]) peft.forward(ids(length));
    const buckets = [...router.getBucketedScalingsLog()].map(([length, [positions]]) => [String(length), positions]);
    expect(Object.fromEntries(buckets)).toEqual(expected.buckets);
    router.setTopkLora(1);
    router.setGlobalScalingWeight(0.7);
    router.setScalingPassValue(0);
    expectClose(values(peft.forward(ids())), expected.changed, "changed");
  });
});

const classifierKeys = (layers: readonly number[]) =>
  layers.flatMap((i) => ["bias", "weight"].map((which) => `base_model.internal_xlora_classifier.layers.${i}.${which}`));

test("files have PEFT's names, all tensors of the classifier, and the experts in folders", async () => {
  const peft = await made({ xloraDepth: 3, xloraSize: 7, layerwiseScalings: true, topKLora: 2 });
  const files = await peft.adapterFiles();
  expect([...files.keys()].filter((name) => name.endsWith(".safetensors"))).toEqual(
    ["0/", "1/", "2/", ""].map((folder) => `${folder}adapter_model.safetensors`),
  );
  const weights = await openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "weights");
  expect(weights.names().sort()).toEqual(classifierKeys([0, 3, 6]));
  expect(JSON.parse(files.get("adapter_config.json") as string)).toMatchObject({
    ...{ peft_type: "XLORA", adapters: { "0": "0", "1": "1", "2": "2" }, top_k_lora: 2, xlora_depth: 3 },
  });
  const again = await PeftModel.fromPretrained(new Net(), files, quiet);
  expect(values(again.forward(ids()))).toEqual(values(peft.forward(ids())));
});

test.each(golden)("$options: the configuration has PEFT's fields", async ({ options, config }) => {
  const files = await (await made(optionsOf(options))).adapterFiles(["default"]);
  const { peft_version: _, auto_mapping: __, ...fields } = config;
  expect(JSON.parse(files.get("adapter_config.json") as string)).toEqual({
    ...{ ...fields, auto_mapping: null, adapters: { "0": "0", "1": "1", "2": "2" } },
  });
});

test("a file without some of the classifier's tensors, as PEFT writes it, is refused with their names", async () => {
  const files = await (await made({ xloraDepth: 3, xloraSize: 7 })).adapterFiles();
  const weights = await openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "weights");
  const kept = weights.names().filter((name) => !name.includes(".0."));
  const tensors = await Promise.all(kept.map(async (name) => ({ name, ...(await weights.read(name)) })));
  files.set("adapter_model.safetensors", writeSafetensors(tensors));
  const model = new Net();
  const [weightKey, biasKey] = classifierKeys([0]).reverse();
  await expect(PeftModel.fromPretrained(model, files, quiet)).rejects.toThrow(`missing: ${weightKey}, ${biasKey}`);
  expect(model.model.a).toBeInstanceOf(Linear);
  files.delete("1/adapter_config.json");
  await expect(PeftModel.fromPretrained(model, files, quiet)).rejects.toThrow(
    '1/adapter_config.json is missing, the configuration of an expert of XLORA; load the expert first, as adapter "1"',
  );
});

test("experts that the model has already are used for an adapter from files", async () => {
  const peft = await made();
  const own = await peft.adapterFiles(["default"]);
  const other = new PeftModel(new Net(), quiet.onWarning);
  for (const [name, files] of Object.entries(experts())) await other.loadAdapter(files, name);
  await other.loadAdapter(own, "mix");
  other.setAdapter("mix");
  expect(values(other.forward(ids()))).toEqual(values(peft.forward(ids())));
});

// Recorded from PEFT 0.21.2: XLoraClassifier after torch.manual_seed(seed). Two values of each tensor and its sum.
test.each<[number, XLoraOptions, Record<string, [number, number, number]>]>([
  [
    7,
    { xloraDepth: 3, xloraSize: 7, layerwiseScalings: true },
    {
      "layers.0.weight": [0.028514136, -0.245926172, 0.9670607],
      "layers.0.bias": [-0.217881724, 0.352247894, 0.6249042],
      "layers.3.weight": [-0.352935284, -0.308889359, -0.7075493],
      "layers.3.bias": [0.171167061, 0.292396724, -0.4684035],
      "layers.6.weight": [-0.238183305, 0.275148422, -1.983648],
      "layers.6.bias": [0.129416689, 0.22353816, 0.7610455],
    },
  ],
  [
    0,
    {},
    {
      "layers.0.weight": [-0.003056482, 0.219002187, -0.6916992],
      "layers.0.bias": [-0.276768297, -0.177776963, -0.3062625],
    },
  ],
])("the classifier of seed %d with %o starts with the values of PyTorch", async (seed, options, expected) => {
  const config = new XLoraConfig({ hiddenSize: 6, adapters: experts(), ...options });
  const peft = await getPeftModel(new Net(), config, { ...quiet, generator: new Generator(seed) });
  const tensors = new Map([...peft.adapterTensors()].map(([key, t]) => [key.split("classifier.")[1], values(t)]));
  expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [key, [first, second, total]] of Object.entries(expected)) {
    const found = tensors.get(key)!;
    expect(
      found.slice(0, 2).map((x) => x.toFixed(9)),
      key,
    ).toEqual([first, second].map((x) => x.toFixed(9)));
    expect(
      found.reduce((all, x) => all + x, 0),
      key,
    ).toBeCloseTo(total, 6);
  }
});

// Recorded from PyTorch 2.15: torch.topk(torch.full((n,), 0.3), k=k), sorted.
test.each([
  [1, 1, [0]],
  [3, 2, [0, 1]],
  [4, 2, [2, 3]],
  [4, 3, [0, 2, 3]],
  [6, 2, [3, 5]],
])("of %d equal scalings, the %d that PyTorch chooses are chosen", (n, k, expected) => {
  expect([...chosenOfEqual(n, k)].sort()).toEqual(expected);
});

test("training changes the classifier, and the experts with useTrainableAdapters alone", async () => {
  for (const useTrainableAdapters of [false, true]) {
    const peft = (await made({ useTrainableAdapters, globalScalingWeight: 0.5 })).train();
    const before = new Map([...peft.namedParameters()].map(([name, p]) => [name, values(p)]));
    const optimizer = new AdamW([...peft.trainableParameters()], { lr: 0.02, weightDecay: 0 });
    const losses = Array.from({ length: 8 }, () => {
      const loss = scope(() => {
        const value = peft.loss(ids());
        value.backward();
        return value.itemSync();
      });
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    });
    expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]);
    const changed = [...peft.namedParameters()].filter(([name, p]) => `${before.get(name)}` !== `${values(p)}`);
    const names = new Set(
      changed.map(([name]) => (name.includes("lora_") && !name.includes("xlora") ? "expert" : name.split(".")[1])),
    );
    expect([...names].sort()).toEqual(
      useTrainableAdapters ? ["expert", "internal_xlora_classifier"] : ["internal_xlora_classifier"],
    );
    peft.setAdapter("0");
    const trained = [...peft.namedParameters()].filter(([, p]) => p.requiresGrad).map(([name]) => name);
    expect(trained.every((name) => !name.includes("xlora") && !/\.[12](\.|$)/.test(name))).toBe(true);
  }
});

test("an adapted head has the scalings of its tokens", async () => {
  const layers = [["head", "a"], ["a"], ["head"]];
  const adapters = Object.fromEntries(layers.map((list, i) => [String(i), expertFiles(i, { layers: list })]));
  const peft = await made({ adapters });
  const all = peft.forward(ids());
  const expected = relu(slice(all, { dim: 1, end: 3 })).dataSync() as Float32Array;
  expect(peft.loss(ids()).itemSync()).toBeCloseTo(
    expected.reduce((total, x) => total + x, 0),
    4,
  );
  const model = peft.baseModel;
  const last = scope(() => model.head.forward(model.hidden(ids(), "last")));
  expect(values(last)).toEqual(values(slice(all, { dim: 1, start: 3 })));
  expect(() => model.head.forward(tensor(new Float32Array(12), { shape: [2, 6] }))).toThrow(
    "head has inputs [2,6], and X-LoRA scales tokens [2, 4]",
  );
});

test("bad options are errors with the fix", async () => {
  const config = (options: object) => () => new XLoraConfig({ hiddenSize: 6, ...options });
  expect(config({ topKLora: 0 })).toThrow("topKLora is 0; it must be an integer of at least 1");
  expect(config({ topKLora: 4, adapters: experts() })).toThrow("topKLora is 4; it must be at most 3");
  expect(config({ adapters: { math: "m" } })).toThrow('an object with the keys "0", "1", ..., as in PEFT');
  expect(config({ xloraDepth: 0 })).toThrow("xloraDepth is 0");
  expect(config({ softmaxTemperature: 0 })).toThrow("softmaxTemperature is 0; it must be above 0");
  expect(config({ targetModules: ["a"] })).toThrow("since the experts name their layers");
  const build = (options: XLoraOptions) =>
    getPeftModel(new Net(), new XLoraConfig({ hiddenSize: 6, ...options }), quiet);
  await expect(build({})).rejects.toThrow("has no experts; name at least one saved LoRA adapter");
  const wide = await build({ adapters: experts(), hiddenSize: 4096 });
  expect(() => wide.forward(ids())).toThrow("set hiddenSize to 6");
});

test.each([
  [{ useDora: true }, "it has lora_magnitude_vector on model.a; give plain LoRA adapters"],
  [{ bias: "all" }, "it changes base_model.model.model.a.base_layer.bias; give plain LoRA adapters"],
  [{ modulesToSave: ["c"] }, "it has weight on model.c"],
  [{ arrowConfig: {} }, "it mixes other adapters"],
] as const)("an adapter with %o cannot be an expert, and the model is unchanged", async (options, message) => {
  const other = await getPeftModel(new Net(), new LoraConfig({ r: 2, targetModules: ["a"], ...options }), quiet);
  const model = new Net();
  const files = (await other.adapterFiles()) as Files;
  const config = new XLoraConfig({ hiddenSize: 6, adapters: { "0": expertFiles(0), "1": files } });
  await expect(getPeftModel(model, config, quiet)).rejects.toThrow(
    `adapter "1" cannot be an expert of XLORA: ${message}`,
  );
  expect(model.model.a).toBeInstanceOf(Linear);
});

test("it cannot be merged, or limited to rows of a batch", async () => {
  const peft = await made();
  await expect(peft.mergeAdapter()).rejects.toThrow("cannot be merged into the weights");
  await expect(peft.mergeAndUnload()).rejects.toThrow("cannot be merged into the weights");
  expect(() => peft.withAdapterNames(["default", "0"], () => peft.forward(ids()))).toThrow("runs the model twice");
  expect(() => xloraModel(peft, "0")).toThrow('adapter "0" is LORA');
  expect(() => xloraModel(peft).setTopkLora(4)).toThrow("give null, or an integer from 1 to 3");
});

test("a size that the file's tensors cannot have is refused before anything is allocated", async () => {
  const files = await (await made({ xloraDepth: 2, xloraSize: 7 })).adapterFiles();
  const config = JSON.parse(files.get("adapter_config.json") as string);
  files.set("adapter_config.json", JSON.stringify({ ...config, xlora_size: 1e9 }));
  await expect(PeftModel.fromPretrained(new Net(), files, quiet)).rejects.toThrow(
    "xlora_size is 1000000000, more than",
  );
});

test("other adapters and the base model are as before when it is not active", async () => {
  const peft = await made();
  const alone = await PeftModel.fromPretrained(new Net(), expertFiles(1), quiet);
  peft.setAdapter("1");
  expect(values(peft.forward(ids()))).toEqual(values(alone.forward(ids())));
  peft.setAdapter("default");
  peft.deleteAdapter("default");
  expect([...peft.peftConfig.keys()]).toEqual(["0", "1", "2"]);
  expect(values(peft.unload().forward(ids()))).toEqual(values(new Net().forward(ids())));
});
