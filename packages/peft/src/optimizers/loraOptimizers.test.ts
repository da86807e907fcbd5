import { copyInto, init, keep, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import { AdamW, Embedding, Linear, Module, SGD } from "@lowrank/nn";
import { beforeAll, describe, expect, it, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { createLoraFaOptimizer } from "./loraFa.ts";
import golden from "./loraOptimizers.gen.json" with { type: "json" };
import { createRiemannianOptimizer } from "./riemannian.ts";

beforeAll(() => init(reference()));

class Tiny extends Module {
  embed = Embedding.create(6, 5);
  up = Linear.create(5, 7);
  down = Linear.create(7, 4);
  head = Linear.create(4, 2);

  forward(x: Tensor): Tensor {
    return this.head.forward(this.down.forward(this.up.forward(x)));
  }
}

const make = (options: LoraOptions) => getPeftModel(new Tiny(), new LoraConfig(options), { onWarning: () => {} });
const tiny = (options: Partial<LoraOptions> = {}) => make({ r: 3, targetModules: ["up", "down"], ...options });

/** A case of conformance/python/lora_optimizers.py. Values are given by the names of parameters. */
interface Case {
  kind: string;
  optimizer?: string;
  config: { r: number; lora_alpha: number; target_modules: string[] } & Record<string, unknown>;
  settings: { lr: number } & Record<string, number>;
  start: Record<string, number[]>;
  steps: Steps;
  rounded?: Steps;
}
type Steps = { grads: Record<string, number[]>; values: Record<string, number[]> }[];

const camel = (name: string) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const named = (given: object) => Object.fromEntries(Object.entries(given).map(([key, value]) => [camel(key), value]));
const cases = (golden.cases as unknown as Case[]).map((one) => ({ ...one, title: JSON.stringify(one.config) }));

test.each(cases)("$kind takes PEFT's steps with $settings on $title", async (one) => {
  const { kind, optimizer: inner, config, settings, start, steps, rounded } = one;
  const peft = await make(named(config));
  const parameters = new Map(peft.namedParameters());
  for (const [name, values] of Object.entries(start)) {
    const parameter = parameters.get(name)!;
    noGrad(() => copyInto(parameter, tensor(values, { shape: parameter.shape })));
  }
  const optimizer =
    kind === "loraFa"
      ? createLoraFaOptimizer(peft, named(settings) as { lr: number })
      : createRiemannianOptimizer<{ lr: number }, SGD | AdamW>(
          peft,
          inner === "SGD" ? SGD : (AdamW as never),
          named(settings) as never,
        );
  for (const [i, { grads, values }] of steps.entries()) {
    for (const [name, grad] of Object.entries(grads)) {
      const parameter = parameters.get(name)!;
      parameter.grad = keep(tensor(grad, { shape: parameter.shape }));
    }
    optimizer.step();
    optimizer.zeroGrad();
    for (const [name, wanted] of Object.entries(values)) {
      for (const [j, value] of parameters.get(name)!.dataSync().entries()) {
        expect(value, name).toBeCloseTo(wanted[j], 4);
        // PEFT's bfloat16 has eight bits; Adam's steps are at most about lr.
        if (rounded) expect(Math.abs(value - rounded[i].values[name][j])).toBeLessThan(0.1 * settings.lr * (i + 1));
      }
    }
  }
});

describe("LoRA-FA", () => {
  it("freezes A, and moves B A as far as possible towards the weight's gradient", async () => {
    const peft = await tiny();
    const parameters = new Map(peft.namedParameters());
    const name = "base_model.model.up.lora_A.default.weight";
    const [a, b] = [name, name.replace("lora_A", "lora_B")].map((key) => parameters.get(key)!);
    const before = [...a.dataSync()];
    using optimizer = createLoraFaOptimizer(peft, { lr: 0.1 });
    expect([a.requiresGrad, b.requiresGrad]).toEqual([false, true]);
    b.grad = keep(tensor(new Float32Array(b.size).fill(1), { shape: b.shape }));
    optimizer.step();
    expect([...a.dataSync()]).toEqual(before);
    expect(b.dataSync().every((value) => value < 0)).toBe(true);
  });

  it("leaves Adam's averages without correction on request", async () => {
    const moved = async (correctBias: boolean) => {
      const peft = await tiny();
      const b = new Map(peft.namedParameters()).get("base_model.model.up.lora_B.default.weight")!;
      using optimizer = createLoraFaOptimizer(peft, { lr: 0.1, eps: 0, correctBias });
      b.grad = keep(tensor(new Float32Array(b.size).fill(1), { shape: b.shape }));
      optimizer.step();
      return Math.abs(b.dataSync()[0]);
    };
    expect(await moved(true)).toBeCloseTo(0.1, 5);
    expect(await moved(false)).toBeCloseTo((0.1 * 0.1) / Math.sqrt(0.001), 5);
  });

  it.each([
    ["DoRA", { useDora: true }, "lora_magnitude_vector"],
    ["a bias of B", { loraBias: true }, "lora_B.default.bias"],
    ["an embedding", { targetModules: ["embed", "up"] }, "lora_embedding_A"],
  ])("refuses %s", async (_, options, name) => {
    const peft = await tiny(options);
    const message =
      "is trained, but LoRA-FA trains only B of linear layers; leave out useDora, loraBias and embeddings";
    expect(() => createLoraFaOptimizer(peft, { lr: 0.1 })).toThrow(new RegExp(`${name}.*${message}`));
    const { requiresGrad } = new Map(peft.namedParameters()).get("base_model.model.up.lora_A.default.weight")!;
    expect(requiresGrad).toBe(true);
  });

  it.each([
    [{ lr: 0.1, weightDecay: 10 }, "weightDecay is 10; it must be at least 0 and below 1 / lr"],
    [{ lr: 0.1, betas: [0.9, 1] as const }, "betas is 0.9,1; it must be two numbers from 0 to below 1"],
    [{ lr: 0.1, eps: -1 }, "eps is -1; it must be at least 0"],
    [{ lr: 0.1, decay: 1 }, "there is no option decay"],
  ])("refuses %o", async (options, message) => {
    const peft = await tiny();
    expect(() => createLoraFaOptimizer(peft, options)).toThrow(`createLoraFaOptimizer: ${message}`);
  });
});

describe("the Riemannian optimiser", () => {
  it("does not step if its guard is not finite", async () => {
    const peft = await tiny();
    const optimizer = createRiemannianOptimizer(peft, SGD, { lr: 0.1 });
    const trained = [...optimizer.parameters()];
    for (const p of trained) p.grad = keep(tensor(new Float32Array(p.size).fill(1), { shape: p.shape }));
    const values = () => trained.map((p) => [...p.dataSync()]);
    const before = values();
    optimizer.step(tensor([Number.NaN]));
    expect(values()).toEqual(before);
    optimizer.step(tensor([0]));
    expect(values()).not.toEqual(before);
  });

  it("refuses blocks of BD-LoRA, whose factors have other ranks, and a negative damping", async () => {
    const useBdlora = { targetModulesBdB: ["up"], nblocks: 1, matchStrict: false };
    const blocks = await getPeftModel(
      new Even(),
      new LoraConfig({ r: 4, targetModules: ["up"], useBdlora: { ...useBdlora, nblocks: 2 } }),
    );
    expect(() => createRiemannianOptimizer(blocks, SGD, { lr: 0.1 })).toThrow(
      "createRiemannianOptimizer: lora_A has 4 rows and lora_B has 2 columns in a layer",
    );
    const peft = await tiny();
    expect(() => createRiemannianOptimizer(peft, SGD, { lr: 0.1, reg: -1 })).toThrow(
      "reg is -1; it must be at least 0",
    );
    expect(() => createRiemannianOptimizer(peft, SGD, { lr: 0.1, beta: 1 } as never)).toThrow(
      "there is no option beta",
    );
  });
});

class Even extends Module {
  up = Linear.create(4, 8);

  forward(x: Tensor): Tensor {
    return this.up.forward(x);
  }
}

test.each([createLoraFaOptimizer, (model: Module, o: { lr: number }) => createRiemannianOptimizer(model, SGD, o)])(
  "a model without LoRA is refused",
  (create) => {
    expect(() => create(new Tiny(), { lr: 0.1 })).toThrow("the model has no trained pair of lora_A and lora_B");
  },
);
