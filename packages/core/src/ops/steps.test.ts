import { describe, expect, it } from "vitest";
import * as core from "../index.ts";
import { type Backend, init, noGrad, reference, type Tensor, tensor, withBackend } from "../index.ts";
import * as internal from "../internal.ts";
import { primitives } from "../testing/index.ts";

await init(reference());

/** Unusual settings, so that each of them has a visible effect. */
const adam = { lr: 0.5, beta1: 0.6, beta2: 0.7, eps: 0.3, weightDecay: 0.2, step: 2 };
const lion = { lr: 0.5, beta1: 0.6, beta2: 0.7, weightDecay: 0.2 };
const sgd = { lr: 0.5, weightDecay: 0.2, momentum: 0.6, dampening: 0.3, nesterov: false, first: false };
const rmsprop = { lr: 0.5, weightDecay: 0.2, alpha: 0.6, eps: 0.3, momentum: 0.7 };

const [p, g, m, v] = [2, 3, 4, 5];
const decayed = g + 0.2 * p;

/** Computes one step by PyTorch's formulas for p 2, g 3 and states 4 and 5. */
function adamBy(gradient: number, shrunk: number): number[] {
  const [first, second] = [0.6 * m + 0.4 * gradient, 0.7 * v + 0.3 * gradient ** 2];
  const denominator = Math.sqrt(second / (1 - 0.7 ** 2)) + 0.3;
  return [shrunk - (0.5 * (first / (1 - 0.6 ** 2))) / denominator, g, first, second];
}

const steps: [name: string, run: (t: Tensor[]) => unknown, values: number[], expected: number[]][] = [
  ["AdamW", (t) => internal.adamStep(...t, { ...adam, decoupled: true }), [p, g, m, v], adamBy(g, p * (1 - 0.5 * 0.2))],
  ["Adam", (t) => internal.adamStep(...t, { ...adam, decoupled: false }), [p, g, m, v], adamBy(decayed, p)],
  [
    "Adagrad",
    (t) => internal.adagradStep(...t, { lr: 0.5, weightDecay: 0.2, eps: 0.3 }),
    [p, g, m],
    [p - (0.5 * decayed) / (Math.sqrt(m + decayed ** 2) + 0.3), g, m + decayed ** 2],
  ],
  ["Lion", (t) => internal.lionStep(...t, lion), [p, g, m], [p * 0.9 - 0.5, g, 0.7 * m + 0.3 * g]],
  [
    "Lion against its average",
    (t) => internal.lionStep(...t, lion),
    [p, g, -3],
    [p * 0.9 + 0.5, g, 0.7 * -3 + 0.3 * g],
  ],
  ["SGD", (t) => internal.sgdStep(...t, sgd), [p, g], [p - 0.5 * decayed, g]],
  [
    "SGD with momentum",
    (t) => internal.sgdStep(...t, sgd),
    [p, g, m],
    [p - 0.5 * (0.6 * m + 0.7 * decayed), g, 0.6 * m + 0.7 * decayed],
  ],
  [
    "SGD's first step",
    (t) => internal.sgdStep(...t, { ...sgd, first: true }),
    [p, g, m],
    [p - 0.5 * decayed, g, decayed],
  ],
  [
    "SGD by Nesterov",
    (t) => internal.sgdStep(...t, { ...sgd, nesterov: true }),
    [p, g, m],
    [p - 0.5 * (decayed + 0.6 * (0.6 * m + 0.7 * decayed)), g, 0.6 * m + 0.7 * decayed],
  ],
  [
    "SGD's first step by Nesterov",
    (t) => internal.sgdStep(...t, { ...sgd, nesterov: true, first: true }),
    [p, g, m],
    [p - 0.5 * 1.6 * decayed, g, decayed],
  ],
  [
    "RMSprop",
    (t) => internal.rmspropStep(...t, rmsprop),
    [p, g, m],
    [p - (0.5 * decayed) / (Math.sqrt(0.6 * m + 0.4 * decayed ** 2) + 0.3), g, 0.6 * m + 0.4 * decayed ** 2],
  ],
  [
    "RMSprop with momentum",
    (t) => internal.rmspropStep(...t, rmsprop),
    [p, g, m, v],
    (() => {
      const mean = 0.6 * m + 0.4 * decayed ** 2;
      const move = 0.7 * v + decayed / (Math.sqrt(mean) + 0.3);
      return [p - 0.5 * move, g, mean, move];
    })(),
  ],
  ["addInto", (t) => internal.addInto(t[0], t[1], {}), [p, g], [p + g, g]],
  ["addInto with alpha", (t) => internal.addInto(t[0], t[1], { alpha: -2 }), [p, g], [p - 2 * g, g]],
];

/** Returns the gradients of a function of numbers, by finite differences. */
function slopes(f: (values: number[]) => number, values: number[]): number[] {
  const h = 1e-5;
  return values.map((_, i) => {
    const at = (shift: number) => f(values.map((value, j) => (i === j ? value + shift : value)));
    return (at(h) - at(-h)) / (2 * h);
  });
}

const eps = 0.7;
const weights = [0.5, -1.5, 2];
const layerNormBy = (x: number[], pull: number[]) => {
  const mean = x.reduce((a, b) => a + b) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.reduce((sum, a, i) => sum + pull[i] * weights[i] * ((a - mean) / Math.sqrt(variance + eps)), 0);
};
const rmsNormBy = (x: number[], pull: number[]) => {
  const square = x.reduce((a, b) => a + b * b, 0) / x.length;
  return x.reduce((sum, a, i) => sum + pull[i] * weights[i] * (a / Math.sqrt(square + eps)), 0);
};

describe.each<[string, () => Backend]>([
  ["reference", reference],
  ["primitives", primitives],
])("on %s", (_name, make) => {
  const backend = make();
  it.each(steps)("%s takes the step of its formula", (_step, run, values, expected) => {
    withBackend(backend, () => {
      const tensors = values.map((value) => tensor([value]));
      noGrad(() => run(tensors));
      for (const [i, t] of tensors.entries()) expect(t.dataSync()[0]).toBeCloseTo(expected[i], 5);
    });
  });

  it.each([
    ["layerNorm", layerNormBy],
    ["rmsNorm", rmsNormBy],
  ] as const)("%s adds eps to the square, and has the gradients of its formula", (name, by) => {
    withBackend(backend, () => {
      const [values, pull] = [
        [0.3, -0.2, 0.9],
        [2, -1, 0.5],
      ];
      const [x, w] = [values, weights].map((list) => tensor([list], { requiresGrad: true }));
      const weight = w.reshape(3);
      const y =
        name === "rmsNorm" ? core.rmsNorm(x, weight, { eps }) : core.layerNorm(x, weight, core.zeros(3), { eps });
      const total = core.sum(core.mul(y, tensor(pull)));
      expect(total.dataSync()[0]).toBeCloseTo(by(values, pull), 5);
      const [dx, dw] = core.gradients(total, [x, w]);
      for (const [i, slope] of slopes((list) => by(list, pull), values).entries()) {
        expect(dx.dataSync()[i]).toBeCloseTo(slope, 4);
      }
      for (const [i, one] of weights.entries()) {
        const own = pull.map((value, j) => (j === i ? value : 0));
        expect(dw.dataSync()[i]).toBeCloseTo(by(values, own) / one, 5);
      }
    });
  });

  it.each([
    [2, 1],
    [3, 6],
    [2, 0],
  ])("clipToNorm scales by at most 1, to %i of %i", (maxNorm, norm) => {
    withBackend(backend, () => {
      const x = tensor([3, 4]);
      noGrad(() => internal.clipToNorm(x, tensor(norm), { maxNorm }));
      const factor = Math.min(1, maxNorm / (norm + 1e-6));
      expect(x.dataSync()[0]).toBeCloseTo(3 * factor, 5);
      expect(x.dataSync()[1]).toBeCloseTo(4 * factor, 5);
    });
  });

  // The softmax of these is 0.1, 0.4, 0.2, 0.3.
  const row = [0.1, 0.4, 0.2, 0.3].map(Math.log);
  it.each<[object, number | undefined, number[] | null]>([
    [{}, undefined, null],
    [{ temperature: 0.5 }, undefined, null],
    [{ topK: 4 }, undefined, null],
    [{ topK: 1 }, undefined, [0, 1, 0, 0]],
    [{ topK: 2 }, undefined, [0, 1, 0, 1]],
    [{ topK: 3 }, undefined, [0, 1, 1, 1]],
    [{ topK: 1 }, 2, [0, 1, 0, 1]],
    [{ topK: 3 }, 2, [0, 1, 1, 1]],
    [{ topK: 1 }, 4, null],
    [{ topP: 0.65 }, undefined, [0, 1, 0, 1]],
    [{ topP: 0.75 }, undefined, [0, 1, 1, 1]],
    [{ topP: 0.01 }, undefined, [0, 1, 0, 0]],
    [{ topP: 0.01 }, 3, [0, 1, 1, 1]],
    [{ topP: 0.01 }, 9, [1, 1, 1, 1]],
    [{ minP: 0.6 }, undefined, [0, 1, 0, 1]],
    [{ minP: 0.9 }, 2, [0, 1, 0, 1]],
    [{ topK: 3, topP: 0.7 }, undefined, [0, 1, 0, 1]],
    [{ topK: 3, topP: 0.7, minP: 0.9 }, undefined, [0, 1, 0, 0]],
    [{ minP: 0.5, temperature: 2 }, undefined, [1, 1, 1, 1]],
    [{ minP: 0.55, temperature: 2 }, undefined, [0, 1, 1, 1]],
  ])("keptTokens of %j, at least %s", (options, least, expected) => {
    const kept = withBackend(backend, () => internal.keptTokens(tensor([row]), options, least));
    expect(kept && [...kept.dataSync()]).toEqual(expected);
  });
});

const written = [
  [internal.adagradStep, [true, false, true]],
  [internal.adamStep, [true, false, true, true, true, false, true, true]],
  [internal.adamStep8bit, [true, false, true, true, true, true, false, false]],
  [internal.lionStep, [true, false, true]],
  [internal.rmspropStep, [true, false, true, true]],
  [internal.sgdStep, [true, false, true]],
  [internal.clipToNorm, [true, true, true, false]],
] as const;

it.each(written.map(([{ definition }, inputs]) => [definition.name, definition.writes, inputs] as const))(
  "%s writes into its parameters and states only",
  (_name, writes, inputs) => {
    expect(inputs.map((_, i) => writes?.(i, inputs.length))).toEqual(inputs);
  },
);

it("the dtypes of all inputs of a step are checked, and the norm must be a scalar", () => {
  const [x, whole] = [tensor([1]), tensor([1], { dtype: "i32" })];
  const settings = { ...adam, decoupled: true };
  const cases: [fn: () => unknown, message: RegExp][] = [
    [() => internal.adamStep(whole, x, x, x, settings), /^adamStep: input 0 .* i32, expected f32/],
    [() => internal.adamStep(x, x, x, whole, settings), /^adamStep: input 3 .* i32, expected f32/],
    [() => internal.gradNorm(whole, x), /^gradNorm: input 0 .* i32, expected f32/],
    [() => internal.clipToNorm(whole, tensor(1), { maxNorm: 1 }), /^clipToNorm: input 0 .* i32, expected f32/],
    [() => internal.clipToNorm(x, x, { maxNorm: 1 }), /^clipToNorm: the norm \[1\] must be a scalar$/],
  ];
  for (const [fn, message] of cases) expect(() => noGrad(fn)).toThrow(message);
});
