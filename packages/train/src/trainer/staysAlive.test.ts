import { Generator, init, reference, type Tensor } from "@lowrank/core";
import { createModel, generate, parseModelConfig, randomParameters } from "@lowrank/models";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../evaluation/evaluate.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "./trainer.ts";

// A page must continue to paint and to react to clicks during training.

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 64, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256 },
});
const newModel = () => createModel(config, randomParameters(new Generator(5)));
const examples = Array.from({ length: 12 }, (_, i) => {
  const inputIds = Array.from({ length: 16 }, (_, t) => 1 + ((i + t) % 60));
  return { inputIds, labels: [...inputIds] };
});
const batching = { padTokenId: 0, batchSize: 4 };
const options: TrainerOptions = { ...batching, learningRate: 1e-2, maxSteps: 10 };

beforeAll(() => init(reference()));

/**
 * Runs work concurrently with a timer and with messages, each sent when the previous one arrives. Returns the number of
 * messages, the timer's ticks, and the work's time in ms. A busy machine delays timers, but not messages.
 */
async function besideOthers(work: () => Promise<unknown>): Promise<{ turns: number; ticks: number; ms: number }> {
  let [turns, ticks] = [0, 0];
  const timer = setInterval(() => ticks++, 5);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    turns++;
    port2.postMessage(null);
  };
  port2.postMessage(null);
  const start = performance.now();
  try {
    await work();
    return { turns, ticks, ms: performance.now() - start };
  } finally {
    clearInterval(timer);
    port1.close();
  }
}

const copies = async (tensors: Iterable<[string, Tensor]>) =>
  new Map(await Promise.all([...tensors].map(async ([name, t]) => [name, await t.bytes()] as const)));

describe("the event loop", () => {
  it("turns while ten steps are trained", async () => {
    const lengths: number[] = [];
    const onStep = ({ seconds }: { seconds: number }) => lengths.push(1000 * seconds);
    const trainer = new Trainer(newModel(), examples, { ...options, onStep });
    const { turns, ticks, ms } = await besideOthers(() => trainer.train());
    expect(lengths).toHaveLength(10);
    expect(ms).toBeGreaterThan(100);
    // At least one turn in each interval of 100 ms plus the longest step.
    expect(turns).toBeGreaterThanOrEqual(Math.floor(ms / (100 + Math.max(...lengths))));
    expect(ticks).toBeGreaterThan(0);
  });

  it("turns while a hundred tokens are generated, and examples evaluated", async () => {
    const model = newModel();
    let [longest, last] = [0, performance.now()];
    const onToken = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    };
    const generation = await besideOthers(() => generate(model, [[1, 2, 3]], { maxNewTokens: 100, onToken }));
    expect(generation.turns).toBeGreaterThanOrEqual(Math.floor(generation.ms / (100 + longest)));
    const evaluation = await besideOthers(() => evaluate(model, examples, { ...batching, batchSize: 1 }));
    expect(evaluation.turns).toBeGreaterThanOrEqual(1);
  });
});

describe("a signal from a timer", () => {
  it("ends a training with a whole step, from which it can go on", async () => {
    const build = (own: Partial<TrainerOptions> = {}) => {
      const model = newModel();
      return { model, trainer: new Trainer(model, examples, { ...options, ...own }) };
    };
    const many = { schedule: "constant", maxSteps: 10_000, gradientAccumulationSteps: 3 } as const;
    const stopped = build({ ...many, signal: AbortSignal.timeout(50) });
    const result = await stopped.trainer.train();
    expect(result.aborted).toBe(true);
    expect(result.steps).toBeLessThan(2000);
    expect(result.losses).toHaveLength(result.steps);
    for (const { grad } of stopped.model.parameters()) expect(grad).toBeNull();

    const whole = build({ ...many, maxSteps: Math.max(1, result.steps) });
    const expected = await whole.trainer.train();
    expect(expected.aborted).toBe(false);
    if (result.steps === 0) return;
    expect(result.losses).toEqual(expected.losses);
    expect(await copies(stopped.model.namedParameters())).toEqual(await copies(whole.model.namedParameters()));
  });

  it("drops the step that runs, and nothing more", async () => {
    const controller = new AbortController();
    let batches = 0;
    const model = newModel();
    const loss = model.loss.bind(model);
    model.loss = (inputs) => {
      if (++batches === 5) controller.abort();
      return loss(inputs);
    };
    const parts = { gradientAccumulationSteps: 3, maxSteps: 4 };
    const result = await new Trainer(model, examples, { ...options, ...parts, signal: controller.signal }).train();
    expect([result.steps, result.aborted, batches]).toEqual([1, true, 5]);
    const other = newModel();
    await new Trainer(other, examples, { ...options, ...parts, signal: AbortSignal.abort() }).train();
    expect(await copies(other.namedParameters())).toEqual(await copies(newModel().namedParameters()));
  });

  it("ends a generation", async () => {
    const model = newModel();
    let tokens = 0;
    const options = { maxNewTokens: 250, onToken: () => tokens++, signal: AbortSignal.timeout(50) };
    await expect(generate(model, [[1, 2, 3]], options)).rejects.toHaveProperty("name", "TimeoutError");
    expect(tokens).toBeLessThan(250);
  });

  it("ends an evaluation, alone and in a training", async () => {
    const model = newModel();
    const signal = AbortSignal.abort();
    await expect(evaluate(model, examples, { ...batching, signal })).rejects.toHaveProperty("name", "AbortError");
    const controller = new AbortController();
    const loss = model.loss.bind(model);
    model.loss = (inputs) => {
      controller.abort();
      return loss(inputs);
    };
    const own = { evaluation: { examples }, signal: controller.signal };
    const result = await new Trainer(model, examples, { ...options, ...own }).train();
    expect(result).toMatchObject({ steps: 0, aborted: true, evaluations: [] });
  });
});
