import { defaultGenerator, init, manualSeed, rand, reference, type Tensor, tensor } from "@lowrank/core";
import { filesIn, type ModelFiles, memoryFiles } from "@lowrank/files";
import { Module, Parameter, SGD } from "@lowrank/nn";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { evaluate } from "../evaluation/evaluate.ts";
import { examples as sequences, tinyLlama } from "../testing/tinyRun.ts";
import { findLearningRate } from "./findLearningRate.ts";
import { Trainer, trainingSteps } from "./trainer.ts";
import { lossAndGradients, microBatches } from "./trainingStep.ts";

// Trainings of one parameter w with the loss w x, so that losses, gradients and weights follow by hand.

beforeAll(() => init(reference()));

class Scalar extends Module {
  w: Parameter;
  constructor(start = 1) {
    super();
    this.w = new Parameter(tensor([start]));
  }
}

/** Loss w mean(x). Records the examples of each batch. */
function product(batches: number[][] = []) {
  return {
    collate: (xs: readonly number[]) => {
      batches.push([...xs]);
      return xs.reduce((sum, x) => sum + x, 0) / xs.length;
    },
    loss: (model: Scalar, x: number) => model.w.mul(x) as Tensor,
  };
}
const count = (n: number) => Array.from({ length: n }, (_, i) => i);
const ones = (n: number) => Array.from({ length: n }, () => 1);
const plain = { learningRate: 0.1, schedule: "constant", shuffle: false } as const;

it.each([
  [100, {}, 39],
  [17, { epochs: 1 }, 3],
  [10, { batchSize: 4, epochs: 2, gradientAccumulationSteps: 4 }, 2],
  [8, { batchSize: 4, epochs: 2 }, 4],
])("%i examples with %o make %i steps", (n, options, steps) => {
  expect(trainingSteps(n, options)).toBe(steps);
  const task = { ...product(), ...plain };
  expect(new Trainer(new Scalar(), count(n), { ...task, ...options }).maxSteps).toBe(steps);
});

describe("defaults", () => {
  /** Returns the batches of one epoch of 17 examples. */
  async function batchesOf(options: object) {
    const batches: number[][] = [];
    const task = { ...product(batches), learningRate: 0.1, epochs: 1 };
    await new Trainer(new Scalar(), count(17), { ...task, ...options }).train();
    return batches;
  }

  it("are batches of eight, one a step, shuffled with seed 0", async () => {
    const batches = await batchesOf({});
    expect(batches.map((batch) => batch.length)).toEqual([8, 8, 1]);
    expect(batches.flat()).not.toEqual(count(17));
    expect(await batchesOf({ shuffle: true, seed: 0 })).toEqual(batches);
    expect(await batchesOf({ seed: 1 })).not.toEqual(batches);
    expect((await batchesOf({ shuffle: false })).flat()).toEqual(count(17));
  });

  it("are AdamW without weight decay, and a rate that falls to 0", async () => {
    const rates: number[] = [];
    const model = new Scalar(5);
    const onStep = ({ learningRate }: { learningRate: number }) => rates.push(learningRate);
    const { losses } = await new Trainer(model, ones(4), {
      ...{ ...product(), learningRate: 0.1, maxSteps: 4, onStep },
    }).train();
    for (const [i, rate] of [0.1, 0.075, 0.05, 0.025].entries()) expect(rates[i]).toBeCloseTo(rate, 12);
    // A constant gradient of 1 moves w by the learning rate.
    for (const [i, loss] of [5, 4.9, 4.825, 4.775].entries()) expect(losses[i]).toBeCloseTo(loss, 5);
    expect(await model.w.item()).toBeCloseTo(4.75, 5);
  });

  it("clip the gradients' norm to 1, which 0 turns off", async () => {
    const after = async (options: object) => {
      const model = new Scalar(10);
      const optimizer = new SGD([model.w], { lr: 0.1 });
      const norms: number[] = [];
      const onStep = ({ gradNorm }: { gradNorm: number }) => norms.push(gradNorm);
      const task = { ...product(), schedule: "constant", optimizer, maxSteps: 1, onStep } as const;
      await new Trainer(model, [4, 4], { ...task, ...options }).train();
      expect(norms).toEqual([4]);
      return await model.w.item();
    };
    expect(await after({})).toBeCloseTo(9.9, 5);
    expect(await after({ maxGradNorm: 2 })).toBeCloseTo(9.8, 5);
    expect(await after({ maxGradNorm: 0 })).toBeCloseTo(9.6, 5);
    expect(await after({ maxGradNorm: 0.5 })).toBeCloseTo(9.95, 5);
  });

  it("draw the noise on embeddings with seed 0, and 1 is an amount of noise", async () => {
    const lossesOf = async (options: object) => {
      const run = { padTokenId: 0, learningRate: 1e-2, maxSteps: 1, shuffle: false, ...options };
      return (await new Trainer(tinyLlama(), sequences, run).train()).losses;
    };
    const noisy = await lossesOf({ neftuneNoiseAlpha: 1 });
    expect(await lossesOf({ neftuneNoiseAlpha: 1, seed: 0 })).toEqual(noisy);
    expect(await lossesOf({})).not.toEqual(noisy);
  });
});

it("a rate falls to minLr, or to a share of the peak", async () => {
  const last = async (options: object) => {
    let rate = 0;
    const task = { ...product(), learningRate: 0.5, maxSteps: 3, ...options };
    const onStep = ({ learningRate }: { learningRate: number }) => {
      rate = learningRate;
    };
    await new Trainer(new Scalar(), ones(2), { ...task, onStep }).train();
    return rate;
  };
  // The rate of the third of three steps is at two thirds of the way.
  expect(await last({ minLr: 0.2 })).toBeCloseTo(0.5 - (0.3 * 2) / 3, 12);
  expect(await last({ minLrRate: 0.4 })).toBeCloseTo(0.5 - (0.3 * 2) / 3, 12);
  expect(await last({ minLr: 0.5 })).toBeCloseTo(0.5, 12);
  expect(await last({ minLr: 0 })).toBeCloseTo(0.5 / 3, 12);
  const make = (options: object) => () => new Trainer(new Scalar(), ones(2), { ...product(), ...options } as never);
  const peak = { learningRate: 0.5 };
  expect(make({ ...peak, minLr: 0.1, minLrRate: 0.2 })).toThrow(
    "Trainer: minLr is 0.1, and minLrRate is given too; give only one of them",
  );
  const range = "minLr must be from 0 to the peak learning rate 0.5, and minLrRate from 0 to 1";
  expect(make({ ...peak, minLr: 0.6 })).toThrow(`Trainer: minLr is 0.6; ${range}`);
  expect(make({ ...peak, minLrRate: -0.1 })).toThrow(`Trainer: minLrRate is -0.1; ${range}`);
  expect(make({ ...peak, minLrRate: 0.1, schedule: "constant" })).toThrow(
    'Trainer: minLrRate is 0.1, but only the schedules "linear" and "cosine" have a minimum; leave it out',
  );
});

it("lion is an optimiser by name, without eps", async () => {
  const model = new Scalar(1);
  const task = { ...product(), ...plain, optimizer: "lion", maxSteps: 3 } as const;
  await new Trainer(model, [3, 3], task).train();
  expect(await model.w.item()).toBeCloseTo(0.7, 5);
  await expect(new Trainer(model, [3, 3], { ...task, eps: 1e-6 }).train()).rejects.toThrow(
    'Trainer: eps is 0.000001, which the optimizer "lion" does not have; leave it out',
  );
  await expect(new Trainer(model, [3, 3], { ...task, optimizer: "sgd" as never }).train()).rejects.toThrow(
    'Trainer: optimizer is "sgd"; give "adamw", "adamw8bit", "lion", "adafactor", "muon", or an optimizer object',
  );
});

it("adafactor is an optimiser by name, without betas and eps; muon takes matrices alone", async () => {
  const model = new Scalar(1);
  const task = { ...product(), ...plain, optimizer: "adafactor", maxSteps: 1 } as const;
  await new Trainer(model, [3], task).train();
  // The first update has the size of the parameter times the rate, with the sign of the gradient.
  expect(await model.w.item()).toBeCloseTo(0.9, 5);
  for (const [key, value] of Object.entries({ betas: [0.9, 0.99], eps: 1e-6 })) {
    await expect(new Trainer(model, [3], { ...task, [key]: value }).train()).rejects.toThrow(
      `Trainer: ${key} is ${value}, which the optimizer "adafactor" does not have; leave it out`,
    );
  }
  await expect(new Trainer(model, [3], { ...task, optimizer: "muon" }).train()).rejects.toThrow(
    "Muon: params has a parameter of shape [1]; Muon updates only matrices",
  );
});

it("examples of a custom task may have any fields, and groupByLength needs token ids", async () => {
  const examples = [{ adapterName: "any" }, { adapterName: "other" }];
  const task = { collate: () => 1, loss: (model: Scalar) => model.w.mul(1), learningRate: 0.1, maxSteps: 1 };
  expect((await new Trainer(new Scalar(), examples, task).train()).losses).toEqual([1]);
  expect(() => new Trainer(new Scalar(), examples, { ...task, groupByLength: true })).toThrow(
    "Trainer: groupByLength needs inputIds, which the examples of a custom collate may lack; leave groupByLength out",
  );
  const grouped = { padTokenId: 0, learningRate: 0.1, batchSize: 4, groupByLength: true, epochs: 1 };
  const { tokens } = await new Trainer(tinyLlama(), sequences, grouped).train();
  // Six examples of four tokens and six of five: at most one batch has both.
  expect(tokens).toBeLessThanOrEqual(4 * (4 + 5 + 5));
});

describe("a result", () => {
  it("counts tokens, truncated examples and seconds", async () => {
    // `yieldIfDue` keeps the last time, and other test files of this process go on with the real clock.
    let clock = Math.floor(performance.now()) - 10_000;
    const now = vi.spyOn(performance, "now").mockImplementation(() => clock);
    try {
      const model = tinyLlama();
      const loss = model.loss.bind(model);
      model.loss = (inputs) => {
        clock += 1250;
        return loss(inputs);
      };
      const reports: { tokens: number; seconds: number }[] = [];
      const run = { padTokenId: 0, maxLength: 4, learningRate: 0.1, batchSize: 3, gradientAccumulationSteps: 2 };
      const onStep = ({ tokens, seconds }: { tokens: number; seconds: number }) => reports.push({ tokens, seconds });
      const result = await new Trainer(model, sequences, { ...run, maxSteps: 2, onStep }).train();
      expect(reports).toEqual([
        { tokens: 24, seconds: 2.5 },
        { tokens: 24, seconds: 2.5 },
      ]);
      expect(result).toMatchObject({ steps: 2, tokens: 48, seconds: 5, truncatedExamples: 6, evaluations: [] });
      expect(result).toMatchObject({ best: null, stoppedEarly: false, aborted: false });
    } finally {
      now.mockRestore();
    }
  });

  it("of an aborted run is that of the steps before, with a checkpoint", async () => {
    const folder = memoryFiles();
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 3 && controller.abort();
    const task = { ...product(), ...plain, maxSteps: 9, checkpoints: { folder, every: 2 } };
    const run = new Trainer(new Scalar(), ones(2), { ...task, signal: controller.signal, onStep });
    expect(await run.train()).toMatchObject({ steps: 3, aborted: true, stoppedEarly: false, best: null });
    expect(await checkpointsIn(folder)).toEqual([2, 3]);
    const resumed = new Trainer(new Scalar(), ones(2), task);
    expect(await resumed.resume(folder)).toBe(3);
    expect(await resumed.train()).toMatchObject({ steps: 9, aborted: false });
    expect(await checkpointsIn(folder)).toEqual([2, 3, 4, 6, 8, 9]);
  });

  it("restores the random numbers of an aborted step, which a custom loss draws", async () => {
    manualSeed(3);
    const controller = new AbortController();
    let before: unknown;
    const loss = (model: Scalar) => {
      before ??= defaultGenerator.state;
      controller.abort();
      return model.w.mul(rand([1])) as Tensor;
    };
    const task = { collate: () => 0, loss, ...plain, maxSteps: 2, signal: controller.signal };
    expect(await new Trainer(new Scalar(), ones(2), task).train()).toMatchObject({ steps: 0, aborted: true });
    expect(defaultGenerator.state).toEqual(before);
  });
});

/** Returns the steps of the checkpoints in a folder. */
async function checkpointsIn(folder: ModelFiles & { list?(): Promise<readonly string[]> }): Promise<number[]> {
  const names = (await folder.list?.()) ?? [];
  return [...new Set(names.map((name) => Number(/checkpoint-(\d+)/.exec(name)?.[1])))].sort((a, b) => a - b);
}

describe("evaluations", () => {
  // The loss w of two training examples falls; (w - 0.75)^2 of the held-out example is least in between.
  const task = {
    collate: (xs: readonly string[]) => xs[0],
    loss: (model: Scalar, x: string): Tensor => {
      if (x === "train") return model.w.mul(1);
      const difference = model.w.sub(0.75);
      return difference.mul(difference);
    },
    ...plain,
    evaluation: { examples: ["held out"], every: 1 },
  };
  const train = ["train", "train"];

  it("keep the best weights, unless the run is aborted", async () => {
    const model = new Scalar(1);
    const options = { ...task, loadBestModelAtEnd: true, maxSteps: 6 };
    const { best, evaluations, aborted } = await new Trainer(model, train, options).train();
    expect(evaluations.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    // w is 0.8 after step 2 and 0.7 after step 3.
    expect(best?.step === 2 || best?.step === 3).toBe(true);
    expect(aborted).toBe(false);
    expect(Math.abs((await model.w.item()) - 0.75)).toBeCloseTo(0.05, 5);

    const controller = new AbortController();
    const other = new Scalar(1);
    const onStep = ({ step }: { step: number }) => step === 5 && controller.abort();
    const stopped = { ...options, evaluation: { ...task.evaluation, every: 2 }, onStep, signal: controller.signal };
    expect(await new Trainer(other, train, stopped).train()).toMatchObject({ aborted: true, stoppedEarly: false });
    expect(await other.w.item()).toBeCloseTo(0.5, 5);
  });

  it("stop a run early, which is not the end of the run", async () => {
    const options = { ...task, earlyStoppingPatience: 2, maxSteps: 9 };
    const result = await new Trainer(new Scalar(0.75), train, options).train();
    expect(result).toMatchObject({ steps: 3, stoppedEarly: true, aborted: false, best: { step: 1 } });
    const whole = await new Trainer(new Scalar(0.75), train, { ...options, maxSteps: 3 }).train();
    expect(whole).toMatchObject({ steps: 3, stoppedEarly: false });
  });

  it.each([{}, { earlyStoppingPatience: 9 }])("are not repeated by a run that resumes, with %o", async (more) => {
    const folder = memoryFiles();
    const options = { ...task, ...more, maxSteps: 4, checkpoints: { folder, every: 1 } };
    const first = await new Trainer(new Scalar(), train, options).train();
    const resumed = new Trainer(new Scalar(), train, options);
    expect(await resumed.resume(filesIn(folder, "checkpoint-2"))).toBe(2);
    const { evaluations } = await resumed.train();
    expect(evaluations.map(({ step }) => step)).toEqual([3, 4]);
    expect(evaluations).toEqual(first.evaluations.slice(3));
    const rare = {
      ...options,
      evaluation: { ...task.evaluation, every: 2 },
      checkpoints: { folder: memoryFiles(), every: 1 },
    };
    await new Trainer(new Scalar(), train, rare).train();
    const between = new Trainer(new Scalar(), train, rare);
    expect(await between.resume(filesIn(rare.checkpoints.folder, "checkpoint-3"))).toBe(3);
    expect((await between.train()).evaluations.map(({ step }) => step)).toEqual([4]);
  });

  it("take eight examples at a time, and end with the signal", async () => {
    const sizes: number[] = [];
    const controller = new AbortController();
    let stopAt = 99;
    const collate = (xs: readonly number[]) => {
      sizes.push(xs.length);
      if (sizes.length === stopAt) controller.abort();
      return xs.length;
    };
    const options = { ...product(), collate, ...plain, maxSteps: 2, evaluation: { examples: count(17) } };
    await new Trainer(new Scalar(), count(2), options).train();
    expect(sizes).toEqual([8, 8, 1, 2, 2, 8, 8, 1]);
    stopAt = 10;
    const result = await new Trainer(new Scalar(), count(2), { ...options, signal: controller.signal }).train();
    expect(result).toMatchObject({ steps: 0, aborted: true, evaluations: [] });
    sizes.length = 0;
    stopAt = 6;
    const last = new AbortController();
    const collateLast = (xs: readonly number[]) => {
      sizes.push(xs.length);
      if (sizes.length === stopAt) last.abort();
      return xs.length;
    };
    const toTheEnd = { ...options, collate: collateLast, maxSteps: 1, signal: last.signal };
    const ended = await new Trainer(new Scalar(), count(2), toTheEnd).train();
    expect(ended).toMatchObject({ steps: 1, aborted: true });
    expect(ended.evaluations).toHaveLength(1);
    const failing = () => {
      broken.abort();
      throw new Error("no more data");
    };
    const broken = new AbortController();
    const run = new Trainer(new Scalar(), count(2), { ...options, collate: failing, signal: broken.signal });
    await expect(run.train()).rejects.toThrow("no more data");
  });

  it("measure what is asked for", async () => {
    const options = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 1 };
    const model = tinyLlama();
    const alone = await evaluate(model, sequences, { padTokenId: 0, batchSize: 4, metrics: ["accuracy"] });
    const evaluation = { examples: sequences, metrics: ["accuracy"] } as const;
    const { evaluations } = await new Trainer(model, sequences, { ...options, evaluation }).train();
    expect(evaluations[0].evaluation).toEqual(alone);
  });
});

describe("an allocation of ranks", () => {
  it("follows each step, unless examples name adapters", async () => {
    const run = { padTokenId: 0, learningRate: 1e-2, maxSteps: 3 };
    const steps: number[] = [];
    const updateAndAllocate = async (step: number) => void steps.push(step);
    await new Trainer(Object.assign(tinyLlama(), { updateAndAllocate }), sequences, run).train();
    expect(steps).toEqual([0, 1, 2]);
    const withAdapterNames = <T>(_names: readonly string[], fn: () => T) => fn();
    const adapted = Object.assign(tinyLlama(), { updateAndAllocate, withAdapterNames });
    const named = sequences.map((example) => ({ ...example, adapterName: "a" }));
    await new Trainer(adapted, named, run).train();
    expect(steps).toEqual([0, 1, 2]);
  });

  it("refuses adapters that cannot train with others, or not at all", () => {
    let active = "";
    const named = (name: string) => sequences.map((example) => ({ ...example, adapterName: name }));
    const model = Object.assign(tinyLlama(), {
      trainsAlone: (name: string) => name === "ada",
      withAdapterNames: <T>(names: readonly string[], fn: () => T): T => {
        active = names[0];
        const all = [...model.parameters()];
        model.setRequiresGrad(false);
        all[0].requiresGrad = active !== "frozen";
        const result = fn();
        return result;
      },
    });
    const make = (name: string) => () => new Trainer(model, named(name), { padTokenId: 0, learningRate: 1e-2 });
    expect(make("ada")).toThrow(
      'Trainer: adapter "ada" uses a method that reallocates ranks, which examples with an adapterName cannot train; leave adapterName out and make the adapter active with setAdapter',
    );
    expect(make("frozen")).toThrow(
      'Trainer: examples name adapter "frozen", which has no trainable parameters; leave these examples out, or make the adapter trainable',
    );
    expect(make("free")).not.toThrow();
  });
});

describe("microBatches", () => {
  const withLabels = (labels: number) => ({ labels }) as never;

  it("leave out batches without labels", () => {
    const batches = [0, 3, 1].map(withLabels);
    expect(microBatches(batches)).toEqual([
      { batch: batches[1], share: 0.75 },
      { batch: batches[2], share: 0.25 },
    ]);
    expect(microBatches([withLabels(0)])).toEqual([]);
  });

  it("use the loss without outputs of modules by default", async () => {
    const asked: boolean[] = [];
    const { w } = new Scalar(2);
    const batch = {
      withLoss: (fn: (loss: Tensor) => Tensor, throughForward = false) => {
        asked.push(throughForward);
        return fn(w.mul(3).reshape([]));
      },
    };
    expect(await lossAndGradients({ batch: batch as never, share: 0.5 }).item()).toBe(6);
    expect(await w.grad?.item()).toBe(1.5);
    lossAndGradients({ batch: batch as never, share: 0.5 }, true);
    expect(asked).toEqual([false, true]);
  });
});

describe("a search for a learning rate", () => {
  /** Runs a search whose steps have the given losses. */
  function search(losses: readonly number[], model = new Scalar()) {
    let call = 0;
    const loss = (one: Scalar) => one.w.mul(0).add(losses[call++]) as Tensor;
    return findLearningRate(model, ones(2), { collate: () => 0, loss, steps: losses.length, from: 1e-3 });
  }
  const smoothed = (losses: readonly number[]) => {
    let mean = 0;
    return losses.map((loss, i) => {
      mean = 0.9 * mean + 0.1 * loss;
      return mean / (1 - 0.9 ** (i + 1));
    });
  };

  // The first trials are skipped: a quarter of them, ten at most.
  it.each([
    [12, 3, 4],
    [12, 4, 4],
    [12, 10, 10],
    [12, 11, 10],
    [48, 11, 11],
    [48, 10, 11],
  ])("of %i steps whose loss falls at %i suggests the rate of %i", async (steps, drop, at) => {
    const losses = count(steps).map((i) => (i < drop ? 9 : 5));
    const averages = smoothed(losses);
    const { suggestion, trials, diverged } = await search(losses);
    for (const [i, trial] of trials.entries()) expect(trial.smoothedLoss).toBeCloseTo(averages[i], 5);
    expect(suggestion).toBe(trials[at].learningRate);
    expect(suggestion).toBeCloseTo(1e-3 ** (1 - at / (steps - 1)), 12);
    expect(diverged).toBe(false);
  });

  it("suggests nothing if the loss never falls", async () => {
    expect(await search(ones(12).map(() => 0))).toMatchObject({ suggestion: null, diverged: false });
    expect((await search(count(12).map((i) => 1 + i / 50))).suggestion).toBeNull();
  });

  it.each([
    [0, 1],
    [0.5, 0.5],
    [-1, 1],
  ])("refuses rates from %d to %d", async (from, to) => {
    const options = { collate: () => 0, loss: (model: Scalar) => model.w.mul(1), from, to };
    await expect(findLearningRate(new Scalar(), ones(2), options)).rejects.toThrow(
      `findLearningRate: from is ${from} and to ${to}; give two rates above 0, the smaller one first`,
    );
  });

  it("ends when the smoothed loss is above four times its minimum", async () => {
    const losses = [...ones(6), 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    const averages = smoothed(losses);
    const { trials, diverged } = await search(losses);
    expect(diverged).toBe(true);
    expect(trials).toHaveLength(averages.findIndex((average) => average > 4) + 1);
  });

  it("restores modes, random numbers and ranks", async () => {
    for (const training of [true, false]) {
      const model = new Scalar();
      model.train(training);
      await search(ones(10), model);
      expect(model.training).toBe(training);
    }
    manualSeed(2);
    const before = defaultGenerator.state;
    const loss = (model: Scalar) => model.w.mul(rand([1])) as Tensor;
    await findLearningRate(new Scalar(), ones(2), { collate: () => 0, loss, steps: 10 });
    expect(defaultGenerator.state).toEqual(before);
    const restored: number[][] = [];
    const ranked = Object.assign(new Scalar(), {
      allocationState: () => new Map([["mask", tensor([1, 0])]]),
      setAllocationState: async (state: ReadonlyMap<string, Tensor>) => {
        restored.push([...(state.get("mask") as Tensor).dataSync()]);
      },
    });
    await search(ones(10), ranked);
    expect(restored).toEqual([[1, 0]]);
  });
});
