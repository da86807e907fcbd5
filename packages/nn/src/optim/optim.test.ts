import { add, backward, init, keep, memory, reference, scope, square, sum, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as schedules from "../schedules/schedules.ts";
import { AdamW } from "./adam.ts";
import { clipGradNorm } from "./clipGradNorm.ts";
import { SGD } from "./sgd.ts";

beforeAll(() => init(reference()));

const loss = (x: ReturnType<typeof tensor>) => sum(square(add(x, -3)));

describe("optimizers", () => {
  it("train inside a scope without losing their state or growing memory", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    using optimizer = new AdamW([x], { lr: 0.1 });
    const step = () =>
      scope(() => {
        backward(loss(x));
        optimizer.step();
        optimizer.zeroGrad();
      });
    step();
    const { buffers } = memory();
    for (let i = 0; i < 300; i++) step();
    expect(memory().buffers).toBe(buffers);
    for (const value of x.dataSync()) expect(value).toBeCloseTo(3, 1);
  });

  it("go on from a saved state as if nothing had happened", () => {
    const train = (
      steps: number,
      x = tensor([1, -2], { requiresGrad: true }),
      optimizer = new AdamW([x], { lr: 0.05 }),
    ) => {
      for (let i = 0; i < steps; i++) {
        backward(loss(x));
        optimizer.step();
        optimizer.zeroGrad();
      }
      return { x, optimizer };
    };
    const straight = train(7).x.dataSync();
    const half = train(3);
    const x = tensor(half.x.dataSync() as Float32Array, { requiresGrad: true });
    const resumed = new AdamW([x], { lr: 1 });
    resumed.loadStateDict(half.optimizer.stateDict());
    half.optimizer.dispose();
    expect(resumed.lr).toBe(0.05);
    expect(train(4, x, resumed).x.dataSync()).toEqual(straight);
    const other = new AdamW([tensor([1, 2, 3], { requiresGrad: true })]);
    expect(() => other.loadStateDict(resumed.stateDict())).toThrow(/state "expAvg" of parameter 0 \[3\] is missing/);
    const { groups, state } = resumed.stateDict();
    const moved = new Map([...state].map(([i, memory]) => [i + 32, memory]));
    expect(() => resumed.loadStateDict({ groups, state: moved })).toThrow(
      "optimizer: the state has a parameter 32; this optimizer has parameters 0 to",
    );
  });

  it("take settings per group and skip parameters without a gradient", () => {
    const [a, b, c] = [1, 1, 1].map((v) => tensor([v], { requiresGrad: true }));
    const optimizer = new SGD([{ params: [a, c], lr: 0.5 }, { params: [b] }], { lr: 0.1 });
    for (const x of [a, b]) x.grad = keep(tensor([1]));
    optimizer.step();
    expect([a, b, c].map((x) => x.dataSync()[0])).toEqual([0.5, Math.fround(0.9), 1]);
    optimizer.lr = 0.2;
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.2, 0.2]);
  });

  it("step all parameters of a group in one op, each by its own count of steps", () => {
    const values = [[1, 2], [3], [-1, 0.5, 2], [4]];
    const grads = [0.5, -2, 1, 3];
    const settings = { lr: 0.1, weightDecay: 0.1 };
    const make = () => values.map((v) => tensor(v, { requiresGrad: true }));
    const giveGrads = (params: Tensor[], step: number) => {
      // The third parameter has no gradient in the first step, so its step count is one lower from then on.
      for (const [i, p] of params.entries()) {
        p.grad?.dispose();
        p.grad = i === 2 && step === 0 ? null : keep(tensor(values[i].map((v) => v * grads[(i + step) % 4])));
      }
    };
    const [together, apart] = [make(), make()];
    const [a, b, c, d] = together;
    const optimizer = new AdamW([{ params: [a, b, c] }, { params: [d], weightDecay: 0 }], settings);
    const others = apart.map((p, i) => new AdamW([p], i === 3 ? { ...settings, weightDecay: 0 } : settings));
    const run = vi.spyOn(a.storage.backend, "run");
    const ops = [0, 1, 2].map((step) => {
      giveGrads(together, step);
      run.mockClear();
      optimizer.step();
      return run.mock.calls.filter(([{ name }]) => name === "adamStep").length;
    });
    run.mockRestore();
    for (const step of [0, 1, 2]) {
      giveGrads(apart, step);
      for (const other of others) other.step();
    }
    expect(ops).toEqual([2, 3, 3]);
    expect(together.map((p) => p.dataSync())).toEqual(apart.map((p) => p.dataSync()));
    expect([...optimizer.stateDict().state.values()].map(({ step }) => step)).toEqual([3, 3, 2, 3]);
  });

  it("refuse nothing to train, a parameter given twice and bad settings", () => {
    const x = tensor([1], { requiresGrad: true });
    expect(() => new SGD([])).toThrow(/no parameters/);
    expect(() => new SGD([x, x])).toThrow(/given twice/);
    expect(() => new SGD([x], { nesterov: true })).toThrow(/nesterov needs momentum/);
    expect(() => new AdamW([x], { betas: [1, 0.9] })).toThrow(/betas are 1,0.9/);
    expect(() => new AdamW([x], { lr: Number.NaN })).toThrow(/lr is NaN/);
  });
});

describe("clipGradNorm", () => {
  it("scales once each the gradients of parameters that are added to each other", () => {
    const [x, y] = [0, 0].map((v) => tensor([v, v], { requiresGrad: true }));
    backward(add(x, y), tensor([3, 4]));
    expect(clipGradNorm([x, y], Math.SQRT1_2).itemSync()).toBeCloseTo(5 * Math.SQRT2, 5);
    for (const { grad } of [x, y])
      for (const [i, v] of [0.3, 0.4].entries()) expect(grad?.dataSync()[i]).toBeCloseTo(v, 5);
  });

  it("leaves short gradients alone and shows NaN", () => {
    const x = tensor([3, 4], { requiresGrad: true });
    expect(() => clipGradNorm([x], 1)).toThrow(/no parameter has a gradient/);
    x.grad = tensor([3, 4]);
    expect(clipGradNorm([x], 10).itemSync()).toBe(5);
    expect([...x.grad.dataSync()]).toEqual([3, 4]);
    x.grad = tensor([Number.NaN, 4]);
    expect(clipGradNorm([x], 1).itemSync()).toBeNaN();
    expect(x.grad.dataSync()[1]).toBeNaN();
  });
});

describe("schedules", () => {
  const options = { warmupSteps: 4, totalSteps: 20 };

  it("grow over the warm-up and end where they should", () => {
    for (const schedule of [
      schedules.linear(options),
      schedules.cosine(options),
      schedules.cosineWithRestarts(options),
    ]) {
      expect(schedule(0)).toBe(0);
      expect(schedule(2)).toBe(0.5);
      expect(schedule(4)).toBe(1);
      expect(schedule(20)).toBeCloseTo(0, 12);
      expect(schedule(30)).toBeGreaterThanOrEqual(0);
    }
    expect(schedules.constant()(7)).toBe(1);
    expect(schedules.constantWithWarmup(options)(2)).toBe(0.5);
    expect(schedules.polynomial({ ...options, lr: 1e-3 })(20)).toBeCloseTo(1e-4, 12);
    expect(() => schedules.polynomial({ ...options, lr: 1e-8 })).toThrow(/above lrEnd/);
  });

  it("end at a share of the peak, as transformers' cosine_with_min_lr does", () => {
    const schedule = schedules.cosine({ ...options, minLrRate: 0.1 });
    // Rates of transformers 5.24's get_scheduler("cosine_with_min_lr"), with peak 2e-3 and min_lr 2e-4.
    const rates: [number, number][] = [
      [0, 0],
      [3, 0.0015],
      [4, 0.002],
      [5, 0.0019827067523629075],
      [9, 0.001600013209717642],
      [15, 0.0005999867902823583],
      [19, 0.00021729324763709263],
      [20, 0.0002],
    ];
    for (const [step, rate] of rates) expect(2e-3 * schedule(step)).toBeCloseTo(rate, 12);
    const line = schedules.linear({ ...options, minLrRate: 0.25 });
    expect([4, 12, 20, 30].map(line)).toEqual([1, 0.625, 0.25, 0.25]);
  });

  it("fall with the square root of the steps", () => {
    const schedule = schedules.inverseSqrt({ warmupSteps: 100 });
    expect(schedule(100)).toBe(1);
    expect(schedule(400)).toBe(0.5);
    expect(schedules.inverseSqrt({ warmupSteps: 0 })(30_000)).toBe(0.5);
    expect(schedules.inverseSqrt({ warmupSteps: 10, timescale: 40 })(130)).toBe(0.5);
  });

  it("begin at the peak without a warm-up", () => {
    const none = { warmupSteps: 0, totalSteps: 20 };
    const { linear, cosine, cosineWithRestarts, constantWithWarmup, polynomial, inverseSqrt } = schedules;
    for (const schedule of [linear, cosine, cosineWithRestarts, constantWithWarmup]) expect(schedule(none)(0)).toBe(1);
    expect(polynomial({ ...none, lr: 1e-3 })(0)).toBe(1);
    expect(inverseSqrt(none)(0)).toBe(1);
    expect(inverseSqrt({ ...none, timescale: 1 })(3)).toBe(0.5);
  });
});
