import { copyInto, init, mean, noGrad, reference, scope, square, sub, type Tensor, tanh, tensor } from "@lowrank/core";
import { Linear, Module, Parameter, SGD, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, it, test } from "vitest";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import golden from "./adaLora.gen.json" with { type: "json" };
import { AdaLoraConfig, type AdaLoraOptions } from "./adaLoraConfig.ts";

beforeAll(() => init(reference()));

const floats = (text: string) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

interface Inputs {
  x: Tensor;
  target: Tensor;
}

/** Two layers and a loss, as conformance/python/adalora.py has them. */
class Two extends Module {
  first: UnaryModule;
  second: UnaryModule;

  constructor(weights: Readonly<Record<string, string>>) {
    super();
    const of = (name: string, shape: number[]) => new Parameter(tensor(floats(weights[name]), { shape }));
    this.first = new Linear(of("first.weight", [5, 6]), of("first.bias", [5]));
    this.second = new Linear(of("second.weight", [4, 5]), of("second.bias", [4]));
  }

  forward({ x }: Inputs): Tensor {
    return this.second.forward(tanh(this.first.forward(x)));
  }

  loss(inputs: Inputs): Tensor {
    return scope(() => mean(square(sub(this.forward(inputs), inputs.target))));
  }
}

type Case = (typeof golden.cases)[number];

function optionsOf({ options }: Case): AdaLoraOptions {
  const camel = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [camel(key), value]));
}

async function start(one: Case) {
  const config = new AdaLoraConfig({ ...optionsOf(one), targetModules: ["first", "second"] });
  const peft = await getPeftModel(new Two(one.weights), config);
  for (const [key, t] of peft.adapterTensors()) {
    const values = floats(one.start[key.replace("base_model.model.", "") as keyof typeof one.start]);
    noGrad(() => copyInto(t, tensor(values, { shape: t.shape })));
  }
  const inputs = { x: tensor(floats(one.x), { shape: [7, 6] }), target: tensor(floats(one.target), { shape: [7, 4] }) };
  return { peft, inputs };
}

const ranksOf = (peft: PeftModel<never> | PeftModel<Two>) =>
  (peft.peftConfig.get("default") as AdaLoraConfig).rankPattern;

describe("PEFT's AdaLoRA", () => {
  it.each(golden.cases)("$options: losses, ranks given out after each step, and what is left", async (one) => {
    const { peft, inputs } = await start(one);
    const optimizer = new SGD(peft.trainableParameters(), { lr: 2 });
    for (const [step, { loss: expected, rankPattern }] of one.steps.entries()) {
      const loss = scope(() => {
        const value = peft.loss(inputs);
        value.backward();
        return value.itemSync();
      });
      expect(Math.abs(loss / expected - 1)).toBeLessThan(1e-5);
      optimizer.step();
      await peft.updateAndAllocate(step);
      optimizer.zeroGrad();
      expect(ranksOf(peft)).toEqual(rankPattern);
    }
    for (const [key, t] of peft.adapterTensors()) {
      const expected = floats(one.end[key.replace("base_model.model.", "") as keyof typeof one.end]);
      const largest = Math.max(...expected.map(Math.abs));
      for (const [i, x] of (t.dataSync() as Float32Array).entries()) {
        expect(Math.abs(x - expected[i])).toBeLessThanOrEqual(2e-5 * largest);
      }
    }
    const files = await peft.adapterFiles();
    const again = await PeftModel.fromPretrained(new Two(one.weights), files);
    const shapes = Object.fromEntries([...again.adapterTensors()].map(([key, { shape }]) => [key, [...shape]]));
    expect(shapes).toEqual(one.filed);
    const [a, b] = [peft, again].map((model) => scope(() => model.forward(inputs)).dataSync() as Float32Array);
    for (const [i, x] of a.entries()) expect(b[i]).toBeCloseTo(x, 5);
    const saved = await again.adapterFiles();
    expect(saved.get("adapter_model.safetensors")).toEqual(files.get("adapter_model.safetensors"));
    expect(saved.get("adapter_config.json")).toEqual(files.get("adapter_config.json"));
  });
});

const config = (options: AdaLoraOptions = {}) =>
  new AdaLoraConfig({ initR: 3, targetR: 1, totalStep: 6, targetModules: ["up", "down"], ...options });

test("the penalty is part of the loss while gradients are recorded, and of no other answer", async () => {
  const peft = await getPeftModel(new TinyModel().eval(), config());
  const value = (one: { loss(ids: Tensor): Tensor }) => scope(() => one.loss(tinyBatch())).itemSync();
  const plain = value(new TinyModel());
  expect(value(peft)).toBeGreaterThan(plain + 0.1);
  expect(value(await getPeftModel(new TinyModel(), config({ orthRegWeight: 0 })))).toBe(plain);
  expect(peft.disableAdapter(() => value(peft))).toBe(plain);
  const files = await peft.adapterFiles();
  expect(value(await PeftModel.fromPretrained(new TinyModel(), files))).toBe(plain);
});

test("a loaded adapter whose ranks were cut trains on within the ranks that are left", async () => {
  const rankPattern = { "layers.0.up.lora_E": [true, false, true], "layers.1.up.lora_E": [false, false, false] };
  const files = await (
    await getPeftModel(new TinyModel(), config({ rankPattern, targetModules: ["up"] }))
  ).adapterFiles();
  const peft = await PeftModel.fromPretrained(new TinyModel(), files, { isTrainable: true });
  const before = await logitBits(peft);
  for (let step = 0; step < 7; step++) {
    scope(() => peft.loss(tinyBatch()).backward());
    await peft.updateAndAllocate(step);
  }
  expect(peft.adapterTensors().get("base_model.model.layers.0.up.lora_E")?.shape).toEqual([2, 1]);
  train(peft, 2);
  expect(await logitBits(peft)).not.toEqual(before);
});

test("what is missing is an error that says so", async () => {
  await expect(getPeftModel(new TinyModel(), config({ totalStep: null }))).rejects.toThrow(
    "AdaLoraConfig: totalStep is null",
  );
  expect(() => config({ tinit: 3, tfinal: 3 })).toThrow("totalStep is 6; it must be more than tinit + tfinal, 6");
  expect(() => config({ beta1: 1 })).toThrow("beta1 is 1; it must be between 0 and 1");
  expect(() => config({ useDora: true } as AdaLoraOptions)).toThrow("useDora is true, which is not supported");
  const peft = await getPeftModel(new TinyModel(), config());
  await expect(peft.updateAndAllocate(0)).rejects.toThrow(/lora_A has no gradient; call it after the optimiser's step/);
  await expect(peft.updateAndAllocate(6)).rejects.toThrow(/nothing was measured yet/);
});
