import { Generator, init, memory, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { AdamW } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import type { TokenizedExample } from "../data/tokens/tokenize.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "./trainer.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
});
const newModel = () => createModel(config, randomParameters(new Generator(5)));

/** Counting sequences: each token is followed by the next number. */
const examples = Array.from({ length: 12 }, (_, i): TokenizedExample => {
  const inputIds = Array.from({ length: 4 + (i % 3) }, (_, t) => 1 + ((i + t) % 9));
  return { inputIds, labels: [...inputIds] };
});

const options: TrainerOptions = { padTokenId: 0, learningRate: 3e-2, batchSize: 4, maxSteps: 25, seed: 3 };

beforeAll(async () => {
  await init(reference());
});

describe("Trainer", () => {
  it("lowers the loss, reports each step and leaves no memory behind", async () => {
    const model = newModel();
    const before = await evaluate(model, examples, { padTokenId: 0, batchSize: 5 });
    const reports: number[] = [];
    const trainer = new Trainer(model, examples, { ...options, onStep: ({ step }) => reports.push(step) });
    const first = memory();
    const result = await trainer.train();
    const after = await evaluate(model, examples, { padTokenId: 0, batchSize: 5 });
    expect(after.loss).toBeLessThan(before.loss / 2);
    expect(reports).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect(result.losses).toHaveLength(25);
    const moments = 2 * [...model.parameters()].length;
    expect(memory().buffers - first.buffers).toBeLessThanOrEqual(moments + 2);
  });

  it("accumulates gradients to those of the whole batch, whatever the labels of its parts", async () => {
    const losses = [];
    const norms: number[] = [];
    for (const [batchSize, gradientAccumulationSteps] of [
      [12, 1],
      [3, 4],
    ]) {
      const onStep = ({ gradNorm }: { gradNorm: number }) => norms.push(gradNorm);
      const parts = { batchSize, gradientAccumulationSteps, shuffle: false, maxSteps: 3, onStep };
      losses.push((await new Trainer(newModel(), examples, { ...options, ...parts }).train()).losses);
    }
    for (let i = 0; i < 3; i++) {
      expect(losses[1][i]).toBeCloseTo(losses[0][i], 5);
      expect(norms[3 + i]).toBeCloseTo(norms[i], 4);
    }
  });

  it("stops when told to and ends with what there is", async () => {
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 4 && controller.abort();
    const trainer = new Trainer(newModel(), examples, { ...options, signal: controller.signal, onStep });
    expect((await trainer.train()).steps).toBe(4);
  });

  it("evaluates before, during and after", async () => {
    const evaluation = { examples: examples.slice(0, 3), every: 10 };
    const result = await new Trainer(newModel(), examples, { ...options, evaluation }).train();
    expect(result.evaluations.map(({ step }) => step)).toEqual([0, 10, 20, 25]);
    expect(result.evaluations[3].evaluation.loss).toBeLessThan(result.evaluations[0].evaluation.loss);
  });

  it("scales each group of an optimiser that it is given, and trains as with its own", async () => {
    const own = await new Trainer(newModel(), examples, { ...options, maxSteps: 4 }).train();
    const model = newModel();
    const [first, ...rest] = model.parameters();
    const optimizer = new AdamW([{ params: [first] }, { params: rest, lr: 6e-2 }], { lr: 3e-2, weightDecay: 0 });
    const { learningRate: _, ...others } = options;
    const rates: number[][] = [];
    const onStep = () => rates.push(optimizer.groups.map(({ lr }) => lr));
    const given = await new Trainer(model, examples, { ...others, optimizer, maxSteps: 4, onStep }).train();
    expect(given.losses[0]).toBe(own.losses[0]);
    expect(given.losses).not.toEqual(own.losses);
    for (const [step, [slow, fast]] of rates.entries()) {
      expect(slow).toBeCloseTo(3e-2 * (1 - step / 4), 10);
      expect(fast).toBeCloseTo(2 * slow, 10);
    }
    const same = newModel();
    const alike = new AdamW([...same.parameters()], { lr: 3e-2, weightDecay: 0 });
    const again = await new Trainer(same, examples, { ...others, optimizer: alike, maxSteps: 4 }).train();
    expect(again.losses).toEqual(own.losses);
  });

  it("says what is wrong", async () => {
    expect(() => new Trainer(newModel(), [], options)).toThrow(/no examples/);
    expect(() => new Trainer(newModel().setRequiresGrad(false), examples, options)).toThrow(/requires gradients/);
    const unlabelled = examples.map(({ inputIds }) => ({ inputIds, labels: inputIds.map(() => -100) }));
    await expect(new Trainer(newModel(), unlabelled, options).train()).rejects.toThrow(
      /no token in the batches of step \d+ has a label/,
    );
    const wild = new Trainer(newModel(), examples, { ...options, learningRate: 1e30, maxGradNorm: 0 });
    await expect(wild.train()).rejects.toThrow(/loss of step \d+ is NaN; lower learningRate/);
    const { learningRate: _, ...others } = options;
    expect(() => new Trainer(newModel(), examples, others)).toThrow(/learningRate is missing/);
    const model = newModel();
    const [, ...some] = model.parameters();
    const partial = new AdamW(some);
    expect(() => new Trainer(model, examples, { ...others, optimizer: partial })).toThrow(/not given .*weight, which/);
    const whole = new AdamW([...model.parameters()]);
    expect(() => new Trainer(model, examples, { ...options, optimizer: whole })).toThrow(/learningRate is 0.03, and/);
  });
});
