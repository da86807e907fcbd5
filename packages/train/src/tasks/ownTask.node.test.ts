import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crossEntropy, init, manualSeed, mseLoss, reference, stack, type Tensor, tensor } from "@lowrank/core";
import { BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential } from "@lowrank/nn";
import { getPeftModel, LoraConfig, type PeftModel } from "@lowrank/peft";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../evaluation/evaluate.ts";
import type { OwnTrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "../trainer/trainer.ts";

interface Image {
  readonly pixels: readonly number[];
  readonly label: number;
}

interface ImageBatch {
  readonly x: Tensor;
  readonly labels: Tensor;
}

/** Images of 6 x 6: noise with a vertical (0) or horizontal (1) bar. */
const images: readonly Image[] = Array.from({ length: 32 }, (_, i) => {
  const label = i % 2;
  const line = 1 + (Math.floor(i / 2) % 4);
  const pixels = Array.from({ length: 36 }, (_, at) => {
    const onLine = (label === 0 ? at % 6 : Math.floor(at / 6)) === line;
    return Math.sin(i * 37 + at * at) / 4 + Number(onLine);
  });
  return { pixels, label };
});

class Cnn extends Module {
  features = new Sequential(Conv2d.create(1, 4, 3, { padding: 1 }), new BatchNorm2d(4), new ReLU(), new MaxPool2d(2));
  head = new Sequential(new Flatten(), new Dropout(0.1), Linear.create(36, 8), new ReLU(), Linear.create(8, 2));

  forward(x: Tensor): Tensor {
    return this.head.forward(this.features.forward(x));
  }
}

const collate = (examples: readonly Image[]): ImageBatch => ({
  x: stack(examples.map(({ pixels }) => tensor(pixels, { shape: [1, 6, 6] }))),
  labels: tensor(
    examples.map(({ label }) => label),
    { dtype: "i32" },
  ),
});
const loss = (model: { forward(x: Tensor): Tensor }, { x, labels }: ImageBatch) =>
  crossEntropy(model.forward(x), labels);
const options = { collate, loss, learningRate: 2e-2, batchSize: 8, maxSteps: 24 };

let folder: string;
beforeAll(async () => {
  await init(reference());
  folder = await mkdtemp(join(tmpdir(), "lowrank-own-"));
});
afterAll(() => rm(folder, { recursive: true }));

const bits = (module: Module) => Promise.all([...module.stateDict().values()].map((t) => t.bytes()));

describe("a module, a collator and a loss of one's own", () => {
  it("learn a task of images, with evaluations before and after", async () => {
    manualSeed(1);
    const net = new Cnn();
    const result = await new Trainer(net, images, {
      ...options,
      maxSteps: 100,
      evaluation: { examples: images },
    }).train();
    const [before, after] = result.evaluations.map(({ evaluation }) => evaluation);
    expect(before.labels).toBe(32);
    expect(before.loss).toBeGreaterThan(0.5);
    expect(after.loss).toBeLessThan(0.1);
    const again = await evaluate(net, images, { collate, loss, batchSize: 5 });
    expect(again.loss).toBeCloseTo(after.loss, 5);
    expect(again.perplexity).toBeCloseTo(Math.exp(after.loss), 5);
  });

  it("go on from a checkpoint bit for bit: weights, running statistics, dropout", async () => {
    manualSeed(2);
    const whole = new Cnn();
    const start = new Cnn();
    start.loadStateDict(whole.stateDict());
    manualSeed(3);
    const expected = await new Trainer(whole, images, options).train();
    manualSeed(3);
    const checkpoints = { folder, every: 10 };
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => void (step === 10 && stop.abort());
    const half = await new Trainer(start, images, { ...options, checkpoints, onStep, signal: stop.signal }).train();
    expect(half.steps).toBe(10);
    manualSeed(4);
    const resumed = new Cnn();
    const trainer = new Trainer(resumed, images, options);
    await trainer.resume(join(folder, "checkpoint-10"));
    const rest = await trainer.train();
    expect([...half.losses, ...rest.losses]).toEqual(expected.losses);
    expect(await bits(resumed)).toEqual(await bits(whole));
  });

  it("weight micro-batches by their examples", async () => {
    const net = () => {
      manualSeed(5);
      return new Sequential(new Flatten(), Linear.create(36, 2));
    };
    const plain = { ...options, maxSteps: 1, shuffle: false };
    const one = await new Trainer(net(), images.slice(0, 6), { ...plain, batchSize: 6 }).train();
    const two = await new Trainer(net(), images.slice(0, 6), {
      ...plain,
      batchSize: 4,
      gradientAccumulationSteps: 2,
    }).train();
    expect(two.losses[0]).toBeCloseTo(one.losses[0], 6);
  });

  it("train with LoRA on modules found by name, and leave the rest as it is", async () => {
    manualSeed(6);
    const net = new Cnn().eval();
    const before = await net.features.stateDict().get("0.weight")?.bytes();
    const config = new LoraConfig({ r: 4, targetModules: ["head.2", "head.4"] });
    const peft: PeftModel<Cnn> = await getPeftModel(net, config);
    const settings: OwnTrainerOptions<PeftModel<Cnn>, Image, ImageBatch> = {
      ...options,
      learningRate: 5e-2,
      maxSteps: 80,
    };
    const { losses } = await new Trainer(peft, images, settings).train();
    expect(losses.at(-1)).toBeLessThan(losses[0] * 0.8);
    expect(await net.features.stateDict().get("0.weight")?.bytes()).toEqual(before);
  });

  it("take back the running statistics of a step that is refused", async () => {
    manualSeed(7);
    const net = new Cnn();
    const before = await bits(net);
    const broken = images.map((image) => ({ ...image, pixels: image.pixels.map(() => Number.MAX_VALUE) }));
    await expect(new Trainer(net, broken, options).train()).rejects.toThrow(/of step 1 is NaN.*features/s);
    expect(await bits(net)).toEqual(before);
  });
});

describe("a missing part is named", () => {
  const net = () => new Sequential(new Flatten(), Linear.create(36, 2));
  const fail = (model: unknown, examples: readonly unknown[], given: object) =>
    expect(() => new Trainer(model as never, examples as never, { learningRate: 1, ...given } as never));

  it("of the model, the options and the examples", () => {
    fail({}, images, { collate, loss }).toThrow("Trainer: the model has no namedParameters; give a Module");
    fail(net(), images, { padTokenId: 0 }).toThrow(
      "Trainer: the model has no loss; give the options collate: (examples) => batch and loss: (model, batch) => Tensor",
    );
    fail(net(), images, { loss }).toThrow("Trainer: the options have no collate");
    fail(net(), images, { collate }).toThrow("Trainer: the options have no loss");
    const withLoss = Object.assign(net(), { loss: () => tensor(0) });
    fail(withLoss, images, { padTokenId: 0 }).toThrow("Trainer: example 0 has no inputIds; tokenise it, or give");
    fail(net(), images, { collate, loss, groupByLength: true }).toThrow(
      "Trainer: groupByLength needs inputIds, which the examples of a custom collate may lack; leave groupByLength out",
    );
  });

  it("of what the loss returns", async () => {
    const given = (own: unknown) => new Trainer(net(), images, { ...options, loss: own as typeof loss }).train();
    await expect(given(() => undefined)).rejects.toThrow(
      "Trainer: loss returned undefined; expected an f32 tensor of one element, such as the mean over the batch",
    );
    await expect(given((_: unknown, { x }: ImageBatch) => x)).rejects.toThrow("loss returned a f32 tensor [8,1,6,6]");
    const far = { collate: () => tensor([1]), loss: (_: unknown, x: Tensor) => mseLoss(x, x), batchSize: 4 };
    expect((await evaluate(net(), [1, 2, 3], far)).loss).toBe(0);
    await expect(evaluate({} as Module, [1], far)).rejects.toThrow("evaluate: the model has no namedParameters");
  });
});
