import { init, keep, reference, type Tensor, tensor, zeros } from "@lowrank/core";
import { beforeAll, describe, expect, it, test } from "vitest";
import * as nn from "../index.ts";
import type { Optimizer } from "./optimizer.ts";
import golden from "./optimizers.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

type Make = new (params: Iterable<Tensor>, settings?: object) => Optimizer<{ lr: number }>;
const makers = nn as unknown as Readonly<Record<string, Make>>;
const param = (...values: number[]) => tensor(values, { requiresGrad: true });

const cases = golden.cases.map((one) => ({ ...one, title: `${one.name} ${JSON.stringify(one.settings)}` }));

// Expected values are PyTorch's, written by conformance/python/optimizers.py.
test.each(cases)("$title steps as PyTorch does", ({ name, settings, values }) => {
  const x = param(...golden.start);
  using optimizer = new makers[name]([x], settings);
  for (const [step, wanted] of values.entries()) {
    x.grad = keep(tensor(golden.grads[step]));
    optimizer.step();
    optimizer.zeroGrad();
    for (const [i, value] of x.dataSync().entries()) expect(value).toBeCloseTo(wanted[i], 5);
  }
});

const matrices = golden.matrices.map((one) => ({
  ...one,
  title: `${one.name} ${one.shape} ${JSON.stringify(one.settings)}`,
}));

test.each(matrices)("$title steps as PyTorch does", ({ name, shape, start, grads, settings, values, rounded }) => {
  const x = tensor(start, { shape, requiresGrad: true });
  using optimizer = new makers[name]([x], settings);
  for (const [step, wanted] of values.entries()) {
    x.grad = keep(tensor(grads[step], { shape }));
    optimizer.step();
    optimizer.zeroGrad();
    for (const [i, value] of x.dataSync().entries()) {
      expect(value).toBeCloseTo(wanted[i], 5);
      // PyTorch's Muon iterates in bfloat16, which has eight bits.
      if (rounded)
        expect(Math.abs(value - rounded[step][i])).toBeLessThan(0.01 * (step + 1) * (settings.lr ?? 1e-3) * 2);
    }
  }
});

const adam = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8 };

test.each<[string, object]>([
  ["SGD", { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }],
  ["Adam", { ...adam, weightDecay: 0 }],
  ["AdamW", { ...adam, weightDecay: 0.01 }],
  ["AdamW8bit", { ...adam, weightDecay: 0.01, min8bitSize: 4096 }],
  ["Adagrad", { lr: 0.01, lrDecay: 0, weightDecay: 0, eps: 1e-10 }],
  ["RMSprop", { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0 }],
  ["Adafactor", { lr: 0.01, beta2Decay: -0.8, eps: [null, 1e-3], d: 1, weightDecay: 0 }],
  ["Lion", { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 }],
])("%s has the documented defaults", (name, defaults) => {
  using optimizer = new makers[name]([param(1)]);
  const { params, ...settings } = (optimizer as Optimizer<{ lr: number }>).groups[0];
  expect([settings, params.length]).toEqual([defaults, 1]);
});

describe("settings", () => {
  it("take a rate of 0, groups with known options, and at least one parameter", () => {
    expect(new nn.SGD([param(1)], { lr: 0 }).lr).toBe(0);
    for (const lr of [-1e-9, Number.NaN]) {
      expect(() => new nn.SGD([param(1)], { lr })).toThrow(`optimizer: lr is ${lr}; it must be at least 0`);
    }
    const none = "optimizer: it was given no parameters; does anything require gradients?";
    for (const params of [[], [{ params: [] }]]) expect(() => new nn.SGD(params as never)).toThrow(none);
    const group = { params: [param(1)], learningRate: 1 };
    expect(() => new nn.SGD([group] as never)).toThrow("SGD: a group: there is no option learningRate");
    const two = new nn.SGD([{ params: [param(1)], lr: 2 }, { params: [param(1), param(2)] }], { lr: 3 });
    expect(two.groups.map(({ lr, params }) => [lr, params.length])).toEqual([
      [2, 1],
      [3, 2],
    ]);
  });

  it.each(["Adam", "AdamW", "AdamW8bit", "Lion"])("%s takes betas from 0 to below 1", (name) => {
    const make = (betas: number[]) => () => new makers[name]([param(1)], { betas });
    for (const betas of [
      [0, 0.5],
      [0.5, 0],
      [0.99999, 0.5],
    ])
      expect(make(betas)).not.toThrow();
    for (const betas of [
      [1, 0.5],
      [0.5, 1],
      [-0.1, 0.5],
      [0.5, -0.1],
      [Number.NaN, 0.5],
    ]) {
      expect(make(betas)).toThrow(`betas are ${betas}; both must be at least 0 and below 1`);
    }
  });

  it("rates are at least 0", () => {
    expect(new nn.SGD([param(1)], { lr: 0 }).lr).toBe(0);
    for (const lr of [-1e-9, Number.NaN]) expect(() => new nn.SGD([param(1)], { lr })).toThrow(`lr is ${lr}`);
    expect(() => new nn.SGD([{ params: [param(1)] }, { params: [param(1)], lr: -1 }])).toThrow("lr is -1");
  });

  it("Nesterov's momentum takes a momentum and no dampening", () => {
    const make = (options: object) => () => new nn.SGD([param(1)], { nesterov: true, ...options });
    expect(make({ momentum: 0.1 })).not.toThrow();
    expect(make({ momentum: 0 })).toThrow("nesterov needs momentum > 0 (is 0)");
    expect(make({ momentum: 0.1, dampening: 0.1 })).toThrow("dampening 0 (is 0.1)");
  });

  it("8 bits begin at 4096 elements, with a scale for each 256", () => {
    const stateOf = (size: number, options = {}) => {
      const x = tensor(new Float32Array(size), { requiresGrad: true });
      using optimizer = new nn.AdamW8bit([x], options);
      x.grad = zeros([size]);
      optimizer.step();
      const { tensors } = optimizer.stateDict().state.get(0)!;
      return Object.entries(tensors).map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`);
    };
    expect(stateOf(4095)).toEqual(["state1 f32 4095", "state2 f32 4095"]);
    expect(stateOf(4096)).toEqual(["state1 u8 4096", "state2 u8 4096", "absmax1 f32 16", "absmax2 f32 16"]);
    expect(stateOf(257, { min8bitSize: 257 }).slice(2)).toEqual(["absmax1 f32 2", "absmax2 f32 2"]);
  });

  it("momentum is kept only where it is used", () => {
    const names = (name: string, options: object) => {
      const x = param(1);
      using optimizer = new makers[name]([x], options);
      x.grad = keep(tensor([1]));
      optimizer.step();
      return Object.keys(optimizer.stateDict().state.get(0)!.tensors);
    };
    expect(names("SGD", {})).toEqual([]);
    expect(names("SGD", { momentum: 0.1 })).toEqual(["momentumBuffer"]);
    expect(names("RMSprop", {})).toEqual(["squareAvg"]);
    expect(names("RMSprop", { momentum: 0.1 })).toEqual(["squareAvg", "momentumBuffer"]);
  });
});

describe("a guard", () => {
  const makes = ["SGD", "Adam", "AdamW", "AdamW8bit", "Adagrad", "RMSprop", "Lion", "Adafactor", "Muon"];
  const row = (...values: number[]) => tensor([values], { requiresGrad: true });
  const settings = (name: string) => ({ lr: 0.5, ...(name === "SGD" || name === "RMSprop" ? { momentum: 0.5 } : {}) });
  const valuesOf = (optimizer: Optimizer<{ lr: number }>) =>
    [...optimizer.stateDict().state.values()].flatMap(({ tensors }) =>
      Object.values(tensors).map((t) => [...t.dataSync()]),
    );

  it.each(makes)("%s steps if all of its numbers are finite", (name) => {
    const [x, y] = [row(1, 2), row(1, 2)];
    using guarded = new makers[name]([x], settings(name));
    using plain = new makers[name]([y], settings(name));
    for (const p of [x, y]) p.grad = keep(tensor([[0.5, -1]]));
    guarded.step(tensor([3, 0]));
    plain.step();
    expect(x.dataSync()).toEqual(y.dataSync());
    expect(x.dataSync()).not.toEqual(Float32Array.of(1, 2));
    expect(valuesOf(guarded)).toEqual(valuesOf(plain));
  });

  it.each(makes)("%s stays as it is if one is not, and takes the count back", (name) => {
    const x = row(1, 2);
    using optimizer = new makers[name]([x], settings(name));
    x.grad = keep(tensor([[0.5, -1]]));
    optimizer.step();
    const before = [[...x.dataSync()], valuesOf(optimizer)];
    optimizer.step(tensor([Number.NaN, 0]));
    expect([[...x.dataSync()], valuesOf(optimizer)]).toEqual(before);
    const step = () => optimizer.stateDict().state.get(0)!.step;
    expect(step()).toBe(2);
    optimizer.takeBackStep();
    expect(step()).toBe(1);
    optimizer.takeBackStep();
    expect(step()).toBe(1);
  });
});

describe("a saved state", () => {
  const groups = () => [{ params: [param(1), param(1, 2)] }, { params: [param(1, 2, 3)], lr: 0.5 }];
  const stepped = <O extends { lr: number }>(optimizer: Optimizer<O>) => {
    for (const p of optimizer.parameters()) p.grad = keep(tensor([...p.dataSync()].map(Number)));
    optimizer.step();
    return optimizer.stateDict();
  };

  it("goes to the parameters of the same place in the same group", () => {
    const [one, other] = [new nn.Adam(groups(), { lr: 0.1 }), new nn.Adam(groups())];
    const state = stepped(one);
    expect(state.groups.map(({ lr, count }) => [lr, count])).toEqual([
      [0.1, 2],
      [0.5, 1],
    ]);
    other.loadStateDict(state);
    expect(other.groups.map(({ lr }) => lr)).toEqual([0.1, 0.5]);
    const [saved, loaded] = [one, other].map((optimizer) =>
      [...optimizer.stateDict().state].map(([i, { step, tensors }]) => [i, step, [...tensors.expAvg.dataSync()]]),
    );
    expect(loaded).toEqual(saved);
    expect(saved.map(([i]) => i)).toEqual([0, 1, 2]);
  });

  it("of other groups is refused", () => {
    const state = stepped(new nn.Adam(groups()));
    const [a, b] = groups();
    const make = (...given: { params: Tensor[] }[]) => new nn.Adam(given);
    expect(() => make(a).loadStateDict(state)).toThrow(
      "the state has parameter groups of 2,1 parameters; this optimizer has groups of 2",
    );
    const swapped = make({ params: [...b.params] }, { params: [...a.params] });
    expect(() => swapped.loadStateDict(state)).toThrow(
      "the state has parameter groups of 2,1 parameters; this optimizer has groups of 1,2",
    );
  });

  it("takes the state of each group's own settings", () => {
    const make = (momentum: number) =>
      new nn.SGD(
        [
          { params: [param(1)], momentum: 0 },
          { params: [param(1), param(2)], momentum },
        ],
        { lr: 1 },
      );
    const state = stepped(make(0.5));
    expect([...state.state.values()].map(({ tensors }) => Object.keys(tensors).length)).toEqual([0, 1, 1]);
    const other = make(0.5);
    other.loadStateDict(state);
    expect(Object.keys(other.stateDict().state.get(2)!.tensors)).toEqual(["momentumBuffer"]);
    const wrong = new Map([...state.state, [1, { step: 1, tensors: {} }] as const]);
    expect(() => other.loadStateDict({ ...state, state: wrong as never })).toThrow(
      'state "momentumBuffer" of parameter 1 [1] is missing, or has another shape or dtype',
    );
    const bytes = zeros([1], { dtype: "u8" });
    const other8 = new Map([...state.state, [2, { step: 1, tensors: { momentumBuffer: bytes } }] as const]);
    expect(() => other.loadStateDict({ ...state, state: other8 as never })).toThrow("of parameter 2 [1] is missing");
  });
});

describe("Muon and Adafactor", () => {
  it("Muon takes matrices alone", () => {
    expect(() => new nn.Muon([param(1, 2)])).toThrow(
      "Muon: params has a parameter of shape [2]; Muon updates only matrices: give it to another optimizer, such as AdamW",
    );
  });

  it.each([
    ["Muon", { weightDecay: -1 }, "weightDecay is -1; it must be at least 0"],
    ["Muon", { momentum: 1 }, "momentum is 1; it must be from 0 to below 1"],
    ["Muon", { eps: -1 }, "eps is -1; it must be at least 0"],
    ["Muon", { nsSteps: 100 }, "nsSteps is 100; it must be from 1 to 99"],
    ["Muon", { nsSteps: 0 }, "nsSteps is 0; it must be from 1 to 99"],
    ["Muon", { nsCoefficients: [1, 2] }, "nsCoefficients is [1,2]; it must be three numbers"],
    ["Muon", { adjustLrFn: "rms" }, 'adjustLrFn is "rms"; it must be one of original, match_rms_adamw'],
    ["Adafactor", { beta2Decay: 0.1 }, "beta2Decay is 0.1; it must be at most 0"],
    ["Adafactor", { eps: [0, -1] }, "eps is [0,-1]; it must be two numbers of at least 0, or null and one"],
    ["Adafactor", { d: 0.5 }, "d is 0.5; it must be at least 1"],
    ["Adafactor", { weightDecay: -1 }, "weightDecay is -1; it must be at least 0"],
  ])("%s refuses %o", (name, settings, message) => {
    const x = tensor([[1, 2]], { requiresGrad: true });
    expect(() => new makers[name]([x], settings)).toThrow(`${name}: ${message}`);
  });

  it("Adafactor keeps averages of rows and columns of matrices, and all squares of vectors", () => {
    const [matrix, vector] = [
      tensor(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        { requiresGrad: true },
      ),
      param(1, 2),
    ];
    using optimizer = new nn.Adafactor([matrix, vector]);
    for (const x of [matrix, vector]) x.grad = keep(x.detach());
    optimizer.step();
    const shapes = [...optimizer.stateDict().state.values()].map(({ tensors }) =>
      Object.fromEntries(Object.entries(tensors).map(([key, { shape }]) => [key, shape])),
    );
    expect(shapes).toEqual([{ rowVar: [2, 1], colVar: [1, 3] }, { variance: [2] }]);
  });
});
