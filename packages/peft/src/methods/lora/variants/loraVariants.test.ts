import {
  add,
  checkpoint,
  init,
  mul,
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
import { getPeftModel } from "../../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../../testing/tinyModel.ts";
import { LoraConfig, type LoraOptions } from "../loraConfig.ts";
import { digamma, lgamma } from "./gamma.ts";
// Losses and gradients of PEFT 0.21.2, recorded by conformance/python/lora_variants.py.
import golden from "./loraVariants.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

/** Returns the values that lora_variants.py assigns to the k-th tensor. */
function wave(shape: readonly number[], k: number, scale = 0.4): Float32Array {
  const length = shape.reduce((product, n) => product * n, 1);
  return Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
}

const weight = (shape: readonly number[], k: number) => new Parameter(tensor(wave(shape, k, 0.9), { shape }));

class Net extends Module {
  a: UnaryModule = new Linear(weight([8, 12], 10), weight([8], 11));
  b: UnaryModule = new Linear(weight([6, 8], 12));

  forward(x: Tensor): Tensor {
    return scope(() => this.b.forward(tanh(this.a.forward(x))));
  }

  loss(x: Tensor): Tensor {
    return scope(() => sum(mul(this.forward(x), tensor(wave([2, 3, 6], 30, 1), { shape: [2, 3, 6] }))));
  }
}

/** A network whose loss does not depend on its layers. */
class Idle extends Net {
  override loss(): Tensor {
    return tensor(0);
  }
}

function filesOf({ config, shapes }: { config: object; shapes: object }) {
  const tensors = Object.entries(shapes as Record<string, number[]>).map(([name, shape], k) => {
    return { name, dtype: "f32" as const, shape, bytes: new Uint8Array(wave(shape, k).buffer) };
  });
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

/** Compares values, with an error relative to the largest one, or to `least`. */
function expectClose(found: ArrayLike<number>, expected: readonly number[], what: string, least = 0) {
  expect(found, what).toHaveLength(expected.length);
  const bound = 2e-5 * Math.max(least, ...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i] - value), what).toBeLessThanOrEqual(bound);
}

test.each(golden)("$name: loss, gradients and buffers in training are those of PEFT", async ({ steps, ...one }) => {
  const net = "montecloraConfig" in one.config || one.config.monteclora_config ? new Idle() : new Net();
  const peft = await PeftModel.fromPretrained(net, filesOf(one), { isTrainable: true, onWarning: () => {} });
  peft.train();
  for (const [i, step] of steps.entries()) {
    for (const [, parameter] of peft.namedParameters()) parameter.grad = null;
    const x = tensor(wave([2, 3, 12], 20 + i, 1.3), { shape: [2, 3, 12] });
    x.requiresGrad = true;
    const loss = peft.loss(x);
    expectClose([await loss.item()], [step.loss], "loss", 1); // A sum of terms of the size 1.
    loss.backward();
    const named = [...peft.namedParameters()].map(([name, value]) => [name.replace(".default", ""), value] as const);
    const found = Object.fromEntries(named.flatMap(([name, { grad }]) => (grad ? [[name, grad.dataSync()]] : [])));
    const expected: Record<string, number[] | undefined> = step.grads;
    for (const [name, grad] of Object.entries(expected)) expectClose(found[name] as Float32Array, grad!, name);
    if (step.x.length > 0) expectClose(x.grad!.dataSync() as Float32Array, step.x, "gradient of the input");
    const tensors = peft.adapterTensors();
    for (const [name, value] of Object.entries(step.buffers as Record<string, number[]>)) {
      expectClose(tensors.get(name)!.dataSync() as Float32Array, value, name);
    }
  }
});

const variants: Readonly<Record<string, LoraOptions>> = {
  velora: { veloraConfig: { numGroups: 4 } },
  kasa: { kasaConfig: {} },
  monteclora: { montecloraConfig: { numSamples: 3, useEntropy: true, sampleScaler: 0.05, klLossWeight: 0.01 } },
};
const linears: LoraOptions = { r: 2, targetModules: ["up", "lm_head"] };
const made = (options: LoraOptions) =>
  getPeftModel(new TinyModel(), new LoraConfig({ ...linears, ...options }), { onWarning: () => {} });

test.each(Object.entries(variants))(
  "%s: files give the same adapter, and mlx-lm's format does not",
  async (_, options) => {
    const peft = await made(options);
    peft.train();
    train(peft, 3);
    peft.eval();
    const files = await peft.adapterFiles();
    const again = await PeftModel.fromPretrained(new TinyModel().eval(), files, { onWarning: () => {} });
    expect(await logitBits(again)).toEqual(await logitBits(peft));
    await expect(toMlx(files)).rejects.toThrow(`${Object.keys(options)[0]} cannot be held by mlx-lm's format`);
  },
);

test.each(Object.entries(variants))("%s: such adapters cannot be combined", async (_, options) => {
  const peft = await made(options);
  await peft.addAdapter("other", new LoraConfig({ ...linears, ...options }));
  const combined = peft.addWeightedAdapter(["default", "other"], [1, 1], "both", { combinationType: "linear" });
  await expect(combined).rejects.toThrow(Object.keys(options)[0]);
});

test("KaSA truncates weights once, and files have all options", async () => {
  const peft = await made(variants.kasa);
  const bits = await logitBits(peft);
  expect(bits).not.toEqual(await logitBits(new TinyModel()));
  await peft.addAdapter("other", new LoraConfig({ ...linears, kasaConfig: {} }));
  expect(await logitBits(peft)).toEqual(bits);
  const config = JSON.parse((await peft.adapterFiles()).get("adapter_config.json") as string);
  expect(config.kasa_config).toEqual({ beta: 1e-4, gamma: 1e-3 });
});

test("MonteCLoRA draws in training only, again in the same way for a recomputed pass", async () => {
  const net = () => PeftModel.fromPretrained(new Net(), filesOf(golden[5]), { isTrainable: true, onWarning: () => {} });
  const scaled = { ...golden[5], config: { ...golden[5].config } };
  scaled.config.monteclora_config = { ...scaled.config.monteclora_config!, sample_scaler: 0.5 };
  const x = tensor(wave([2, 3, 12], 20, 1.3), { shape: [2, 3, 12] });
  const load = () => PeftModel.fromPretrained(new Net(), filesOf(scaled), { isTrainable: true, onWarning: () => {} });
  const [plain, recomputed, still] = [await load(), await load(), await net()];
  still.eval();
  expect(still.forward(x).dataSync()).toEqual(still.forward(x).dataSync());
  for (const model of [plain, recomputed]) model.train();
  expect(plain.forward(x).dataSync()).not.toEqual(plain.forward(x).dataSync());
  recomputed.forward(x);
  recomputed.forward(x);
  sum(plain.forward(x)).backward();
  sum(checkpoint((input: Tensor) => recomputed.forward(input))(x)).backward();
  const grads = (model: typeof plain) =>
    [...model.namedParameters()].flatMap(([name, { grad }]) => (grad ? [[name, [...grad.dataSync()]]] : []));
  expect(grads(recomputed)).toEqual(grads(plain));
  expect(grads(plain).length).toBe(8);
});

test("lgamma and digamma are those of the tables", () => {
  const x = tensor([0.1, 0.5, 1, 2, 3.7, 30]);
  const [logs, slopes] = [lgamma(x), digamma(x)].map((t) => [...t.dataSync()].map(Number));
  const expected = [2.2527127, 0.5723649, 0, 0, 1.4280723, 71.257039];
  for (const [i, value] of expected.entries()) expect(Math.abs(logs[i] - value)).toBeLessThan(1e-5 * (1 + value));
  const derivatives = [-10.4237549, -1.96351, -0.5772157, 0.4227843, 1.1671534, 3.3844381];
  for (const [i, value] of derivatives.entries()) expect(Math.abs(slopes[i] - value)).toBeLessThan(1e-5);
  x.requiresGrad = true;
  sum(add(lgamma(x), 0)).backward();
  for (const [i, value] of derivatives.entries())
    expect(Math.abs(Number(x.grad!.dataSync()[i]) - value)).toBeLessThan(1e-5);
});

test.each<[LoraOptions, string]>([
  [{ ...variants.velora, useDora: true }, "useDora is true; it must be left out with veloraConfig"],
  [{ ...variants.velora, ...variants.kasa }, "kasaConfig is"],
  [{ ...variants.kasa, useBdlora: { targetModulesBdA: ["up"] } }, "it must be left out with kasaConfig"],
  [{ ...variants.kasa, initLoraWeights: "mica" }, "it must be another initialisation with kasaConfig"],
  [{ ...variants.kasa, initLoraWeights: "eva" }, "it must be another initialisation with kasaConfig"],
  [{ ...variants.kasa, r: 6 }, "kasaConfig: the rank is 6; the weight [10,6] of layers.0.up allows at most 5"],
  [{ ...variants.kasa, targetModules: ["down"] }, "layers.0.down is of the kind conv1d, and kasaConfig is for linear"],
  [{ ...variants.velora, targetModules: ["embed_tokens"] }, "embed_tokens is of the kind embedding, and veloraConfig"],
  [{ veloraConfig: { numGroups: 0 } }, "veloraConfig.numGroups is 0"],
  [{ veloraConfig: { scale: 0 } }, "veloraConfig.scale is 0; it must be above 0"],
  [{ veloraConfig: { initType: "mean" as "random" } }, 'veloraConfig.initType is "mean"'],
  [{ kasaConfig: { beta: -1 } }, "kasaConfig.beta is -1; it must be at least 0"],
  [{ kasaConfig: { gamma: Number.NaN } }, "kasaConfig.gamma is null"],
  [{ montecloraConfig: { numSamples: 0 } }, "montecloraConfig.numSamples is 0"],
  [{ montecloraConfig: { bufferSize: 0 } }, "montecloraConfig.bufferSize is 0"],
  [{ montecloraConfig: { dirichletPrior: 0 } }, "montecloraConfig.dirichletPrior is 0; it must be above 0"],
  [{ montecloraConfig: { useEntropy: 1 as unknown as boolean } }, "montecloraConfig.useEntropy is 1"],
  [{ montecloraConfig: { samples: 2 } as object }, "LoraConfig: montecloraConfig"],
])("%j is refused", async (options, message) => {
  await expect((async () => made(options))()).rejects.toThrow(message);
});
