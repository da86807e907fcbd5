import {
  cat,
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
  to,
  writeSafetensors,
} from "@lowrank/core";
import { Conv1D, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../../config/warning.ts";
import { parsePeftConfig } from "../../../files/parsePeftConfig.ts";
import { getPeftModel } from "../../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../../peftModel/peftModel.ts";
import { preprocessCorda } from "../../../starts/preprocessCorda.ts";
import { preprocessLoraGa } from "../../../starts/preprocessLoraGa.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../../testing/tinyModel.ts";
import { LoraConfig, type LoraOptions } from "../loraConfig.ts";
// What PEFT 0.21.2 measures and starts with, recorded by conformance/python/measured_starts.py.
import golden from "./measuredStarts.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

/** Returns the values that measured_starts.py assigns to the k-th tensor. */
function wave(shape: readonly number[], k: number, scale = 0.4): Tensor {
  const length = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
  return tensor(values, { shape });
}

/** The network of measured_starts.py. */
class Net extends Module {
  a: UnaryModule;
  b: UnaryModule;
  c: UnaryModule;
  idle: UnaryModule;

  constructor(dtype: "f32" | "bf16" = "f32") {
    super();
    const draw = (shape: readonly number[], k: number) => {
      const values = wave(shape, k, 0.9).dataSync() as Float32Array;
      if (shape.length === 2) for (let i = 0; i < shape[1]; i++) values[i] += 2;
      return new Parameter(to(tensor(values, { shape }), { dtype }));
    };
    this.a = new Linear(draw([8, 12], 10), draw([8], 11));
    this.b = new Linear(draw([6, 8], 12));
    this.c = new Conv1D(draw([6, 6], 13), draw([6], 14));
    this.idle = new Linear(draw([6, 6], 15), draw([6], 16));
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.c.forward(tanh(this.c.forward(this.b.forward(tanh(this.a.forward(x)))))));
  }

  loss(x: Tensor): Tensor {
    return scope(() => sum(this.forward(x)));
  }
}

const inputs = (step: number) => wave([1, 9, 12], 20 + step, 1.3);
const quiet = { onWarning: () => {} };

/** Measures as measured_starts.py does. */
function measure(net: Net, config: LoraConfig, known?: ReadonlyMap<string, Float32Array>) {
  const run = () => {
    for (const step of [0, 1]) {
      scope(() => {
        const y = net.forward(inputs(step));
        if (config.initLoraWeights === "lora_ga") sum(mul(y, wave([1, 9, 6], 30 + step, 1))).backward();
      });
    }
  };
  return config.initLoraWeights === "corda"
    ? preprocessCorda(net, config, run, known && { covariances: known })
    : preprocessLoraGa(net, config, run, known && { gradients: known });
}

/** Compares values with an error relative to the largest one, or to `least`. */
function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  tolerance: number,
  least = 0,
) {
  expect(found, what).toHaveLength(expected.length);
  const bound = tolerance * Math.max(least, ...Array.from(expected, Math.abs));
  for (let i = 0; i < found.length; i++) {
    expect(Math.abs(found[i] - expected[i]), `${what} ${i}`).toBeLessThanOrEqual(bound);
  }
}

/** Returns vectors, each with the sign that makes its product with the vector in `like` positive. */
function signed(found: number[][], like: number[][]): number[][] {
  return found.map((row, k) => {
    const product = row.reduce((total, x, i) => total + x * like[k][i], 0);
    return product < 0 ? row.map((x) => -x) : row;
  });
}

const rowsOf = (values: ArrayLike<number>, count: number) => {
  const width = values.length / count;
  return Array.from({ length: count }, (_, k) => Array.from({ length: width }, (_, i) => values[k * width + i]));
};
const columnsOf = (values: ArrayLike<number>, count: number) =>
  Array.from({ length: count }, (_, k) =>
    Array.from({ length: values.length / count }, (_, i) => values[i * count + k]),
  );

const product = (a: number[][], b: number[][]) =>
  Array.from({ length: b[0].length * a[0].length }, (_, i) => {
    const [row, column] = [Math.floor(i / a[0].length), i % a[0].length];
    return a.reduce((total, vector, k) => total + vector[column] * b[k][row], 0);
  });

const cases = golden.map(({ name, ...peftsOwn }) => [name, peftsOwn] as const);

test.each(cases)("%s: measurements, factors and weights are those of PEFT", async (name, peftsOwn) => {
  const config = await parsePeftConfig(peftsOwn.config);
  const corda = (config as LoraConfig).initLoraWeights === "corda";
  const half = name.includes("bfloat16");
  const net = new Net(half ? "bf16" : "f32");
  // PEFT computes in bfloat16 where Lowrank computes in f32.
  const tolerance = half ? 0.05 : 1e-5;
  const measured = await measure(net, config as LoraConfig);
  expect([...measured.keys()].sort()).toEqual(Object.keys(peftsOwn.measured).sort());
  for (const [path, values] of Object.entries(peftsOwn.measured)) {
    expectClose(measured.get(path)!, values!, `measured ${path}`, tolerance);
  }
  // The factors are compared for equal measurements, since small singular values depend on their rounding.
  const recorded = Object.entries(peftsOwn.measured).map(([path, x]) => [path, Float32Array.from(x!)] as const);
  await measure(net, config as LoraConfig, new Map(recorded));
  const close = half ? 2 ** -7 : 2e-5;
  const before = noGrad(() => net.forward(inputs(5)).dataSync() as Float32Array);
  const peft = await getPeftModel(net, config, quiet);
  const tensors = peft.adapterTensors();
  for (const [path, expectedA] of Object.entries(peftsOwn.a)) {
    if (path === "idle") {
      // A layer without gradients starts like plain LoRA: A is random, B zero.
      expect(peftsOwn.b.idle!.every((x) => x === 0)).toBe(true);
      expect([...tensors.get("base_model.model.idle.lora_B.weight")!.dataSync()].every((x) => x === 0)).toBe(true);
      continue;
    }
    const [a, b] = ["A", "B"].map((x) => tensors.get(`base_model.model.${path}.lora_${x}.weight`)!);
    const r = a.shape[0];
    const rows = [rowsOf(a.dataSync() as Float32Array, r), rowsOf(expectedA!, r)];
    const columns = [columnsOf(b.dataSync() as Float32Array, r), columnsOf(peftsOwn.b[path as "a"]!, r)];
    expectClose(signed(rows[0], rows[1]).flat(), rows[1].flat(), `A of ${path}`, close);
    expectClose(signed(columns[0], columns[1]).flat(), columns[1].flat(), `B of ${path}`, close);
    if (corda) expectClose(product(...([rows[0], columns[0]] as const)), product(rows[1], columns[1]), path, 1e-4);
  }
  if (corda) {
    for (const [path, weight] of Object.entries(peftsOwn.weights)) {
      const { weight: found } = (net as unknown as Record<string, { base_layer: Linear }>)[path].base_layer;
      // The weight minus its largest components, which have the size 1.
      expectClose(found.dataSync() as Float32Array, weight!, `weight of ${path}`, 1e-5, 1);
    }
  }
  peft.eval();
  const outputs = noGrad(() => peft.forward(inputs(5)).dataSync() as Float32Array);
  if (!half) expectClose(outputs, peftsOwn.outputs, "outputs", 2e-5);
  expectClose(outputs, before, "outputs before", half ? 0.03 : 2e-5);
});

const plain = cases.filter(([name, { loaded }]) => loaded && !/bfloat16|use_dora/.test(name));

test.each(plain)("%s: PEFT's file is loaded as by PEFT", async (_, { config, a, b, loaded }) => {
  const inputsOf: Readonly<Record<string, number>> = { a: 12, b: 8, c: 6, idle: 6 };
  const tensors = Object.entries(a).flatMap(([path, values]) => {
    const r = values!.length / inputsOf[path];
    const tensorOf = (name: string, shape: readonly number[], numbers: readonly number[]) => {
      const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
      return { name: `base_model.model.${path}.lora_${name}.weight`, dtype: "f32" as const, shape, bytes };
    };
    const ofB = b[path as "a"]!;
    return [tensorOf("A", [r, inputsOf[path]], values!), tensorOf("B", [ofB.length / r, r], ofB)];
  });
  const files = new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => void warnings.push(warning);
  const peft = await PeftModel.fromPretrained(new Net().eval(), files, { onWarning });
  const outputs = noGrad(() => peft.forward(inputs(5)).dataSync() as Float32Array);
  expectClose(outputs, loaded!, "outputs", 2e-5);
  expect(warnings.map(({ code }) => code)).toContain("start-not-repeatable");
});

/** Measures a TinyModel, whose lm_head runs in each of two backward passes, or in one forward pass for CorDA. */
async function measureTiny(model: TinyModel, config: LoraConfig) {
  if (config.initLoraWeights === "corda") {
    return preprocessCorda(model, config, () => void noGrad(() => scope(() => model.loss(tinyBatch()))));
  }
  return preprocessLoraGa(model, config, async () => {
    for (let i = 0; i < 2; i++) {
      scope(() => model.loss(tinyBatch()).backward());
      await Promise.resolve();
    }
  });
}

const linears = ["up", "down"];
const tinyConfig = (options: LoraOptions) => new LoraConfig({ r: 2, loraAlpha: 3, targetModules: linears, ...options });
const starts: LoraOptions[] = [
  { initLoraWeights: "lora_ga" },
  { initLoraWeights: "lora_ga", useDora: true, loraGaConfig: { direction: "random" } },
  { initLoraWeights: "lora_ga", veloraConfig: { numGroups: 2 } },
  { initLoraWeights: "corda" },
  { initLoraWeights: "corda", montecloraConfig: { numSamples: 2 }, cordaConfig: { cordaMethod: "kpm" } },
];
const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

test.each(starts)("%o: measuring keeps the model, and the adapter starts as the base model", async (options) => {
  const model = new TinyModel().eval();
  model.setRequiresGrad(false);
  const config = tinyConfig(options);
  const before = [...model.namedParameters()].map(([name, { requiresGrad }]) => [name, requiresGrad]);
  const bits = await logitBits(model);
  await measureTiny(model, config);
  expect([...model.namedParameters()].map(([name, { requiresGrad }]) => [name, requiresGrad])).toEqual(before);
  expect([...model.namedModules()].filter(([, { training }]) => training)).toEqual([]);
  expect(await logitBits(model)).toEqual(bits);
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => void warnings.push(warning);
  const peft = await getPeftModel(model, config, { onWarning });
  expect(warnings.map(({ code }) => code)).toEqual(["changed-base"]);
  expectClose(floats(await logitBits(peft.eval())), floats(bits), "logits", 1e-5);
  const b = [...peft.adapterTensors()].filter(([key]) => key.endsWith("lora_B.weight"));
  expect(b.every(([, values]) => [...values.dataSync()].some((x) => x !== 0))).toBe(true);
});

test.each<LoraOptions>([{ initLoraWeights: "lora_ga" }, { initLoraWeights: "corda", useDora: true }])(
  "%o: saved as plain LoRA, or loaded after measuring again, it gives the same answers",
  async (options) => {
    const config = tinyConfig(options);
    const model = new TinyModel().eval();
    await measureTiny(model, config);
    const peft = await getPeftModel(model, config, quiet);
    const initial = await peft.adapterFiles();
    train(peft);
    const wanted = floats(await logitBits(peft));
    const converted = await peft.adapterFiles(undefined, { pathInitialModelForWeightConversion: initial });
    const onOriginal = await PeftModel.fromPretrained(new TinyModel().eval(), converted, quiet);
    expectClose(floats(await logitBits(onOriginal)), wanted, "logits of plain LoRA", 1e-5);
    const again = new TinyModel().eval();
    await measureTiny(again, config);
    const reloaded = await PeftModel.fromPretrained(again, await peft.adapterFiles(), quiet);
    expect(await logitBits(reloaded)).toEqual(await logitBits(peft));
  },
);

test("gradients of recomputed passes count once, and half of the batch's passes without backward do not", async () => {
  const config = tinyConfig({ initLoraWeights: "lora_ga", targetModules: ["up"] });
  const plainly = await measureTiny(new TinyModel(), config);
  const model = new TinyModel();
  const recomputed = await preprocessLoraGa(model, config, () => {
    scope(() => void model.loss(tinyBatch()));
    for (let i = 0; i < 2; i++) scope(() => checkpoint(() => model.loss(tinyBatch()))().backward());
  });
  for (const [path, values] of plainly) expectClose(recomputed.get(path)!, values, path, 1e-6);
});

test("rows of a batch are samples, and another model can be measured", async () => {
  const config = new LoraConfig({ r: 2, initLoraWeights: "corda", targetModules: ["a", "b"] });
  const net = new Net();
  const rows = [0, 1].map(inputs);
  const one = await preprocessCorda(net, config, () => rows.forEach((x) => void net.forward(x)));
  const other = new Net();
  const both = cat(rows, { dim: 0 });
  const joined = await preprocessCorda(net, config, () => void other.forward(both), { hookedModel: other });
  for (const [path, values] of one) expectClose(joined.get(path)!, values, path, 1e-6);
});

const ga: LoraOptions = { initLoraWeights: "lora_ga" };
const corda: LoraOptions = { initLoraWeights: "corda" };
test.each<[LoraOptions, string]>([
  [ga, '"lora_ga" needs gradients, and layers.0.up has none: call preprocessLoraGa(model, config, ...) before'],
  [corda, '"corda" needs covariances, and layers.0.up has none: call preprocessCorda(model, config, ...) before'],
  [
    { ...ga, loraGaConfig: { direction: "up" as "ArBr" } },
    'loraGaConfig.direction is "up"; it must be "ArBr", "A2rBr"',
  ],
  [{ ...ga, loraGaConfig: { scale: 2 as unknown as "unit" } }, "loraGaConfig.scale is 2"],
  [{ ...ga, loraGaConfig: { stableGamma: 0 } }, "loraGaConfig.stableGamma is 0; it must be above 0"],
  [{ ...ga, loraGaConfig: { gamma: 1 } as object }, "LoraConfig: loraGaConfig"],
  [{ ...ga, r: 4 }, 'initLoraWeights "lora_ga": the rank is 8; a weight [10,6] allows at most 6'],
  [{ ...corda, r: 7 }, 'initLoraWeights "corda": the rank is 7; a weight [10,6] allows at most 6'],
  [
    { ...corda, cordaConfig: { cordaMethod: "x" as "ipm" } },
    'cordaConfig.cordaMethod is "x"; it must be "ipm" or "kpm"',
  ],
  [{ ...corda, cordaConfig: { verbose: 1 as unknown as boolean } }, "cordaConfig.verbose is 1"],
  [{ cordaConfig: { cordaMethod: "kpm" } }, 'cordaConfig is given without initLoraWeights: "corda"'],
  [{ ...ga, loraBias: true }, "it must be true or false with loraBias"],
])("%j is refused", async (options, message) => {
  await expect((async () => getPeftModel(new TinyModel(), tinyConfig(options), quiet))()).rejects.toThrow(message);
});

test("wrong uses of the measuring functions are errors", async () => {
  const [ofGa, ofCorda] = [tinyConfig(ga), tinyConfig(corda)];
  const model = new TinyModel();
  const nothing = () => {};
  await expect(preprocessLoraGa(model, ofCorda, nothing)).rejects.toThrow(
    'is not LoRA with initLoraWeights: "lora_ga"',
  );
  await expect(preprocessLoraGa(model, ofGa, nothing)).rejects.toThrow("no target has a gradient");
  await expect(preprocessCorda(model, ofCorda, nothing)).rejects.toThrow("there are no inputs of layers.0.up");
  const short = new Map([["layers.0.up", new Float32Array(5)]]);
  await expect(preprocessLoraGa(model, ofGa, nothing, { gradients: short })).rejects.toThrow("has 5 values");
  await expect(preprocessCorda(model, ofCorda, nothing, { covariances: short })).rejects.toThrow("has 5 values");
  const table = tinyConfig({ ...ga, targetModules: ["embed_tokens"] });
  await expect(preprocessLoraGa(model, table, nothing)).rejects.toThrow("selects no linear layer");
  const packed = new TinyModel({ quantize: { blockSize: 32 } });
  await expect(preprocessLoraGa(packed, ofGa, nothing)).rejects.toThrow("quantised weights have no gradients");
  await measureTiny(packed, ofCorda);
  await expect(getPeftModel(packed, ofCorda, quiet)).rejects.toThrow("needs base weights that are not quantised");
  const failed = preprocessCorda(model, ofCorda, () => {
    throw new Error("no data");
  });
  await expect(failed).rejects.toThrow("no data");
  expect([...model.namedModules()].every(([path]) => !path.includes("base_layer"))).toBe(true);
  const zeros = new Map(["up", "down"].flatMap((name) => [0, 1].map((i) => [`layers.${i}.${name}`, name] as const)));
  const empty = new Map([...zeros].map(([path, name]) => [path, new Float32Array(name === "up" ? 36 : 100)]));
  await preprocessCorda(model, ofCorda, nothing, { covariances: empty });
  await expect(getPeftModel(model, ofCorda, quiet)).rejects.toThrow("inputs of layers.0.up are zero, NaN or infinite");
  await preprocessCorda(model, ofCorda, () => void noGrad(() => scope(() => model.loss(tinyBatch()))));
  const files = await (await getPeftModel(model, ofCorda, quiet)).adapterFiles();
  await expect(preprocessCorda(model, ofCorda, nothing)).rejects.toThrow("the model has adapters");
  await expect(PeftModel.fromPretrained(new TinyModel(), files, quiet)).rejects.toThrow(
    "call preprocessCorda with the same data before, or set init_lora_weights to true",
  );
});
