import { Generator, init, reference, type Tensor } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { Adagrad, AdamW, AdamW8bit, type Optimizer, RMSprop, SGD } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { beforeAll, describe, expect, it } from "vitest";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "./trainer.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16, tie_word_embeddings: false },
});
const newModel = () => createModel(config, randomParameters(new Generator(5))) as CausalLM;
const examples = Array.from({ length: 8 }, (_, i) => {
  const inputIds = Array.from({ length: 4 }, (_, t) => 1 + ((i + t) % 9));
  return { inputIds, labels: [...inputIds] };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 6 };

const numbersOf = (tensors: Iterable<Tensor>) => Array.from(tensors, (t) => t.dataSync().slice());
const momentsOf = (optimizer: Pick<Optimizer<never>, "stateDict">) =>
  [...optimizer.stateDict().state.values()].map(({ step, tensors }) => ({
    step,
    moments: numbersOf(Object.values(tensors)),
  }));

/** Sets one element of a parameter. */
function poke(model: CausalLM, name: string, value: number): void {
  const parameter = new Map(model.namedParameters()).get(name) as Tensor;
  const numbers = parameter.dataSync().slice() as Float32Array;
  numbers[3] = value;
  parameter.storage.backend.write(parameter.storage.buffer, new Uint8Array(numbers.buffer));
}

beforeAll(async () => {
  await init(reference());
});

describe("a step that is not finite is refused before weights change", () => {
  const makers = {
    AdamW: (p: Tensor[]) => new AdamW(p, { lr: 1e-2 }),
    AdamW8bit: (p: Tensor[]) => new AdamW8bit(p, { lr: 1e-2, min8bitSize: 64 }),
    SGD: (p: Tensor[]) => new SGD(p, { lr: 1e-2, momentum: 0.9 }),
    RMSprop: (p: Tensor[]) => new RMSprop(p, { lr: 1e-2, momentum: 0.5 }),
    Adagrad: (p: Tensor[]) => new Adagrad(p, { lr: 1e-2 }),
  };

  it.each(Object.entries(makers))("and %s keeps moments, counts, data and random numbers", async (_name, make) => {
    const model = newModel();
    const optimizer = make([...model.parameters()]) as unknown as Optimizer<never>;
    const { learningRate: _, ...rest } = options;
    const seen: string[] = [];
    let broken = false;
    const trainer = new Trainer(model, examples, {
      ...rest,
      optimizer,
      maxSteps: 3,
      onStep: ({ step }: { step: number }) => {
        seen.push(`step ${step}`);
        if (step !== 1 || broken) return;
        broken = true;
        poke(model, "model.layers.1.mlp.up_proj.weight", Number.NaN);
      },
    } as TrainerOptions);
    const failing = trainer.train();
    await expect(failing).rejects.toThrow(
      /Trainer: the loss of step 2 is NaN; lower learningRate \(0\.01\) or maxGradNorm \(1\).*model\.layers\.1\.mlp\.up_proj, in its output/,
    );
    const [weights, moments] = [numbersOf(model.parameters()), momentsOf(optimizer)];
    await expect(trainer.train()).rejects.toThrow("the loss of step 2 is NaN");
    expect(numbersOf(model.parameters())).toEqual(weights);
    expect(momentsOf(optimizer)).toEqual(moments);
    expect(moments.every(({ step }) => step === 1)).toBe(true);
    expect([...model.parameters()].every(({ grad }) => grad === null)).toBe(true);
    expect(seen).toEqual(["step 1"]);
  });

  it("and the run goes on as if nothing had been once the cause is gone", async () => {
    const losses = async (breakAt: number) => {
      const base = newModel();
      const model = await getPeftModel(base, new LoraConfig({ r: 2, targetModules: ["q_proj"], loraDropout: 0.3 }), {
        generator: new Generator(1),
      });
      const whole = new Map(base.namedParameters());
      const name = [...whole.keys()].find((key) => key.includes("layers.0.mlp.down_proj.weight")) as string;
      const before = (whole.get(name) as Tensor).dataSync()[3];
      const all: number[] = [];
      const trainer = new Trainer(model as never, examples, {
        ...options,
        onStep: ({ step, loss }) => {
          all.push(loss);
          if (step === breakAt && all.length === breakAt) poke(base, name, Number.NaN);
        },
      });
      if (breakAt > 0) {
        await expect(trainer.train()).rejects.toThrow(/down_proj, in its output/);
        poke(base, name, before);
      }
      await trainer.train();
      return all;
    };
    expect(await losses(3)).toEqual(await losses(0));
  });

  it("and outputs of the head are observed, which the loss alone skips", async () => {
    const model = newModel();
    poke(model, "lm_head.weight", Number.NaN);
    await expect(new Trainer(model, examples, options).train()).rejects.toThrow(
      "the first module that is not finite is lm_head, in its output",
    );
  });

  it("and a gradient that is not finite names the module", async () => {
    const model = newModel();
    const { mlp } = [
      ...(model as never as { model: { layers: Iterable<{ mlp: { forward(x: Tensor): Tensor } }> } }).model.layers,
    ][0];
    const inner = mlp.forward.bind(mlp);
    // Its outputs are finite, but the gradient of a square root at 0 is not.
    mlp.forward = (x: Tensor) => inner(x).add(inner(x).mul(0).sqrt());
    const weights = numbersOf(model.parameters());
    await expect(new Trainer(model, examples, options).train()).rejects.toThrow(
      /the gradient norm of step 1 is NaN; lower learningRate.*model\.layers\.0\.mlp\.down_proj, in its gradient/,
    );
    expect(numbersOf(model.parameters())).toEqual(weights);
  });

  it("and so is an update beyond all numbers", async () => {
    const model = newModel();
    const weights = numbersOf(model.parameters());
    const trainer = new Trainer(model, examples, { ...options, learningRate: 1e39, schedule: "constant" });
    await expect(trainer.train()).rejects.toThrow(
      "Trainer: the update of step 1 is not finite; lower learningRate (1e+39). The weights are as they were",
    );
    expect(numbersOf(model.parameters())).toEqual(weights);
  });
});

it("an adapter that is not finite is not written: the error names its key", async () => {
  const peft = await getPeftModel(newModel(), new LoraConfig({ r: 2, targetModules: ["q_proj"] }), {
    generator: new Generator(1),
  });
  expect((await peft.adapterFiles()).size).toBe(3);
  const [name, parameter] = [...peft.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad)[1];
  const numbers = parameter.dataSync().slice() as Float32Array;
  numbers[5] = Number.POSITIVE_INFINITY;
  parameter.storage.backend.write(parameter.storage.buffer, new Uint8Array(numbers.buffer));
  expect(name).toContain("layers.0.self_attn.q_proj.lora_B");
  await expect(peft.adapterFiles()).rejects.toThrow(
    "saving base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight: its element 5 is NaN or infinite, and nothing is written",
  );
});

it("an evaluation of NaN stops the run", async () => {
  const model = newModel();
  const onStep = () => poke(model, "model.norm.weight", Number.NaN);
  const evaluation = { examples, every: 1 };
  await expect(new Trainer(model, examples, { ...options, evaluation, onStep }).train()).rejects.toThrow(
    /Trainer: the evaluation after step 1 has a loss of NaN; lower learningRate \(0\.01\)/,
  );
});
