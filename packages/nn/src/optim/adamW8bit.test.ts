import {
  backward,
  Generator,
  init,
  keep,
  memory,
  randn,
  reference,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { AdamW } from "./adam.ts";
import golden from "./adamW8bit.gen.json" with { type: "json" };
import { AdamW8bit, type AdamW8bitOptions } from "./adamW8bit.ts";

beforeAll(() => init(reference()));

const bytes = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floats = (text: string) => new Float32Array(bytes(text).buffer);

interface Step {
  grad: string;
  param: string;
  state1: string;
  state2: string;
  absmax1?: string;
  absmax2?: string;
}

/** Returns the state of bitsandbytes after a step. */
function stateOf({ state1, state2, absmax1, absmax2 }: Step, shape: number[]): Record<string, Tensor> {
  if (!absmax1 || !absmax2)
    return { state1: tensor(floats(state1), { shape }), state2: tensor(floats(state2), { shape }) };
  return {
    state1: tensor(bytes(state1), { shape, dtype: "u8" }),
    state2: tensor(bytes(state2), { shape, dtype: "u8" }),
    absmax1: tensor(floats(absmax1)),
    absmax2: tensor(floats(absmax2)),
  };
}

/**
 * Compares with the rounding of a few f32 operations, relative to the largest value. For many steps pass `tolerance`.
 */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 4e-7) {
  const largest = Array.from(expected).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs(actual[i] - expected[i])).toBeLessThanOrEqual(tolerance * largest);
}

/** Compares with bitsandbytes' codes. Rounding of f32 operations may move at most one code in a thousand, by one. */
function sameCodes(actual: Uint8Array, expected: Uint8Array) {
  expect(actual.length).toBe(expected.length);
  const differing = Array.from(actual).flatMap((code, i) => (code === expected[i] ? [] : [code - expected[i]]));
  expect(differing.every((by) => Math.abs(by) === 1)).toBe(true);
  expect(differing.length).toBeLessThanOrEqual(actual.length / 1000);
}

function checkState(actual: Record<string, Tensor>, expected: Omit<Step, "grad" | "param">, tolerance?: number) {
  for (const moment of [1, 2] as const) {
    const [state, absmax] = [`state${moment}`, `absmax${moment}`] as ["state1", "absmax1"];
    if (expected[absmax] === undefined) {
      close(actual[state].dataSync(), floats(expected[state]), tolerance);
      continue;
    }
    close(actual[absmax].dataSync(), floats(expected[absmax]), tolerance);
    sameCodes(actual[state].dataSync() as Uint8Array, bytes(expected[state]));
  }
}

describe("AdamW8bit, step for step from bitsandbytes' own state", () => {
  it.each(golden.cases)("$shape", ({ shape, options, start, steps }) => {
    const settings = options as unknown as AdamW8bitOptions;
    for (const [i, step] of (steps as Step[]).entries()) {
      const param = tensor(floats(i === 0 ? start : steps[i - 1].param), { shape, requiresGrad: true });
      using optimizer = new AdamW8bit([param], settings);
      if (i > 0) {
        const tensors = stateOf(steps[i - 1] as Step, shape);
        optimizer.loadStateDict({ groups: [{ ...settings, count: 1 }], state: new Map([[0, { step: i, tensors }]]) });
      }
      param.grad = tensor(floats(step.grad), { shape });
      optimizer.step();
      close(param.dataSync(), floats(step.param));
      checkState(optimizer.stateDict().state.get(0)!.tensors, step);
    }
  });
});

describe("AdamW8bit", () => {
  it("ends where bitsandbytes ends after 50 steps, with gradients that are small against others of their block", () => {
    const { count, steps, lr, param, ...state } = golden.long;
    const p = tensor(new Float32Array(count), { requiresGrad: true });
    using optimizer = new AdamW8bit([p], { lr, min8bitSize: 1 });
    for (let step = 0; step < steps; step++) {
      p.grad = tensor(
        Float32Array.from(
          { length: count },
          (_, i) => (((i * 7919 + step * 104729) % 2048) - 1024) * 2 ** -(10 + (i % 12)),
        ),
      );
      optimizer.step();
    }
    const tolerance = 4e-6;
    close(p.dataSync(), floats(param), tolerance);
    checkState(optimizer.stateDict().state.get(0)!.tensors, state, tolerance);
  });

  const target = () => randn([80, 60], { generator: new Generator(3) });
  const train = <O extends AdamW | AdamW8bit>(make: (params: Tensor[]) => O, steps: number) => {
    const x = tensor(new Float32Array(4800), { shape: [80, 60], requiresGrad: true });
    const optimizer = make([x]);
    const goal = target();
    for (let i = 0; i < steps; i++) {
      backward(sum(square(sub(x, goal))));
      optimizer.step();
      optimizer.zeroGrad();
    }
    return { x, optimizer, off: sum(square(sub(x, goal))).itemSync() };
  };

  it("ends where AdamW ends, with a quarter of its state", () => {
    const before = memory().bytes;
    const full = train((params) => new AdamW(params, { lr: 0.05, weightDecay: 0 }), 80);
    const small = train((params) => new AdamW8bit(params, { lr: 0.05, weightDecay: 0 }), 80);
    expect(memory().bytes).toBeGreaterThan(before);
    expect(small.off).toBeLessThan(Math.max(1.5 * full.off, 1));
    const bytesOf = ({ optimizer }: { optimizer: AdamW | AdamW8bit }) =>
      Object.values(optimizer.stateDict().state.get(0)!.tensors).reduce(
        (total, { storage }) => total + storage.buffer.bytes,
        0,
      );
    expect(bytesOf(full)).toBe(8 * 4800);
    expect(bytesOf(small)).toBe(2 * 4800 + 8 * Math.ceil(4800 / 256));
  });

  it("keeps small parameters in f32 and gives all memory back", () => {
    const before = memory().buffers;
    const [small, large] = [4095, 4096].map((n) => tensor(new Float32Array(n), { requiresGrad: true }));
    const optimizer = new AdamW8bit([small, large]);
    for (const param of [small, large]) param.grad = keep(tensor(new Float32Array(param.size).fill(1)));
    optimizer.step();
    const { state } = optimizer.stateDict();
    expect([0, 1].map((i) => state.get(i)!.tensors.state1.dtype)).toEqual(["f32", "u8"]);
    optimizer.zeroGrad();
    optimizer.dispose();
    for (const param of [small, large]) param.dispose();
    expect(memory().buffers).toBe(before);
  });

  it("goes on from a saved state to the last bit, and refuses another's", () => {
    const make = (params: Tensor[]) => new AdamW8bit(params, { lr: 0.05 });
    const straight = train(make, 9).x.dataSync();
    const half = train(make, 4);
    const again = train((params) => {
      params[0].storage.backend.write(params[0].storage.buffer, new Uint8Array(half.x.dataSync().slice().buffer));
      const optimizer = make(params);
      optimizer.loadStateDict(half.optimizer.stateDict());
      return optimizer;
    }, 5);
    expect(again.x.dataSync()).toEqual(straight);
    const other = new AdamW8bit([tensor(new Float32Array(4800), { requiresGrad: true })], { min8bitSize: 5000 });
    const state = half.optimizer.stateDict();
    expect(() => other.loadStateDict({ ...state, groups: [{ ...other.groups[0], count: 1 }] as never })).toThrow(
      /state "state1" of parameter 0 \[4800\] is missing, or has another shape or dtype/,
    );
    expect(() => new AdamW8bit([half.x], { betas: [0.9, 1] })).toThrow(/AdamW8bit: betas are 0.9,1/);
  });
});
