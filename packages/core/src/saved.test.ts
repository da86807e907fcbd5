import { beforeAll, describe, expect, it, test } from "vitest";
import { recordReads } from "./autograd/recordings.ts";
import { isRecordingReads } from "./engine/reads.ts";
import {
  add,
  checkpoint,
  copyInto,
  enableGrad,
  gradients,
  init,
  isGradEnabled,
  isInitialized,
  jvp,
  memory,
  mul,
  noGrad,
  ones,
  reference,
  scope,
  silu,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from "./index.ts";
import { isInGradient } from "./modes/gradMode.ts";

beforeAll(() => init(reference()));

const leaf = (...values: number[]) => tensor(values, { requiresGrad: true });
const numbers = (t: Tensor) => [...t.dataSync()].map(Number);

describe("results that are computed again", () => {
  const s = (x: number) => x / (1 + Math.exp(-x));
  const slope = (x: number) => (1 / (1 + Math.exp(-x))) * (1 + x * (1 - 1 / (1 + Math.exp(-x))));

  it("come from each other in chains", () => {
    const x = leaf(0.5, -1.5);
    const w = leaf(2, 3);
    const y = scope(() => sum(mul(silu(silu(silu(x))), w)));
    const [dx, dw] = gradients(y, [x, w]).map(numbers);
    for (const [i, v] of [0.5, -1.5].entries()) {
      expect(dw[i]).toBeCloseTo(s(s(s(v))), 6);
      expect(dx[i]).toBeCloseTo([2, 3][i] * slope(s(s(v))) * slope(s(v)) * slope(v), 6);
    }
  });

  it("come from each other in chains of any length", () => {
    const [x, w] = [leaf(0.5), leaf(2)];
    const y = scope(() => {
      let h: Tensor = x;
      for (let i = 0; i < 5_000; i++) h = silu(h);
      return sum(mul(h, w));
    });
    expect(numbers(gradients(y, [w])[0])[0]).toBeCloseTo(0, 6);
  });

  it("are held instead where their inputs were written since", () => {
    const [x, w] = [leaf(0.5), leaf(2)];
    const h = silu(x);
    noGrad(() => copyInto(x, ones([1])));
    const y = sum(mul(h, w));
    expect(numbers(gradients(y, [w])[0])[0]).toBeCloseTo(s(0.5), 6);
  });

  it("are held instead where they were written themselves", () => {
    const [x, w] = [leaf(0.5), leaf(2)];
    const h = silu(x);
    noGrad(() => copyInto(h, tensor([7])));
    expect(numbers(gradients(sum(mul(h, w)), [w])[0])).toEqual([7]);
  });

  it("are not held where the last write was before them", () => {
    const x = tensor(new Float32Array(1000).fill(0.5), { requiresGrad: true });
    const w = tensor(new Float32Array(1000).fill(2), { requiresGrad: true });
    noGrad(() => copyInto(x, ones([1000])));
    const before = memory().bytes;
    const y = scope(() => sum(mul(silu(x), w)));
    expect(memory().bytes - before).toBe(4);
    expect(numbers(gradients(y, [w])[0])[999]).toBeCloseTo(s(1), 6);
  });
});

test("values that were written right before an op are those that it saves", () => {
  const [x, factor] = [leaf(2), tensor([4])];
  noGrad(() => copyInto(factor, tensor([5])));
  expect(numbers(gradients(sum(mul(x, factor)), [x])[0])).toEqual([5]);
  noGrad(() => copyInto(factor, tensor([6])));
  const out = checkpoint((t: Tensor) => mul(t, factor))(x);
  expect(numbers(gradients(sum(out), [x])[0])).toEqual([6]);
  const late = checkpoint((t: Tensor) => mul(t, factor))(x);
  noGrad(() => copyInto(factor, tensor([7])));
  expect(() => gradients(sum(late), [x])).toThrow("copyInto has overwritten a tensor that it reads");
});

test("modes are those of the innermost function, and come back", () => {
  const modes = () => [isGradEnabled(), isInGradient()];
  expect(modes()).toEqual([true, false]);
  expect(enableGrad(modes)).toEqual([true, false]);
  expect(noGrad(modes)).toEqual([false, false]);
  expect(noGrad(() => [...enableGrad(modes), ...modes()])).toEqual([true, false, false, false]);
  expect(() =>
    noGrad(() => {
      throw new Error("stop");
    }),
  ).toThrow("stop");
  expect(modes()).toEqual([true, false]);
});

describe("transforms", () => {
  const outside = () => leaf(3);

  it("give values with a history only where somebody outside may ask for it", () => {
    const w = outside();
    const alone = valueAndGrad((x: Tensor) => sum(mul(x, x)));
    const closing = valueAndGrad((x: Tensor) => sum(mul(x, w)));
    const histories = (both: typeof alone) => {
      const { value, grads } = both(tensor([2]));
      return [value.requiresGrad, grads[0].requiresGrad];
    };
    expect(histories(alone)).toEqual([false, false]);
    expect(histories(closing)).toEqual([true, true]);
    expect(noGrad(() => histories(alone))).toEqual([false, false]);
    expect(noGrad(() => histories(closing))).toEqual([false, false]);
    expect(histories(valueAndGrad((x: Tensor) => sum(mul(x, leaf(1).detach()))))).toEqual([false, false]);
  });

  it("along a direction do so too", () => {
    const w = outside();
    const histories = (fn: (x: Tensor) => Tensor) => {
      const { value, tangent } = jvp(fn, [tensor([2])], [tensor([1])]);
      return [value.requiresGrad, tangent.requiresGrad];
    };
    const [alone, closing] = [(x: Tensor) => mul(mul(x, x), x), (x: Tensor) => mul(mul(x, x), w)];
    expect(histories(alone)).toEqual([false, false]);
    expect(histories(closing)).toEqual([true, true]);
    expect(noGrad(() => histories(alone))).toEqual([false, false]);
    expect(noGrad(() => histories(closing))).toEqual([false, false]);
  });
});

describe("reads", () => {
  it("are noted of memory from before alone", () => {
    const [a, b, c] = [ones(1), ones(1), ones(1)];
    expect(isRecordingReads()).toBe(false);
    const { result, reads } = recordReads(() => {
      const sumOf = add(a, b);
      return [isRecordingReads(), numbers(add(sumOf, ones(1)))];
    });
    expect(result).toEqual([true, [3]]);
    expect([...reads]).toEqual([a.storage, b.storage]);
    expect(reads.has(c.storage)).toBe(false);
    expect(isRecordingReads()).toBe(false);
  });

  it("within others are noted there too, if the memory is older", () => {
    const a = ones(1);
    let inner: ReadonlySet<unknown> = new Set();
    let made: Tensor | undefined;
    const { reads } = recordReads(() => {
      made = ones(1);
      inner = recordReads(() => add(a, made as Tensor)).reads;
    });
    expect([...inner]).toEqual([a.storage, made?.storage]);
    expect([...reads]).toEqual([a.storage]);
  });
});

test("watchers of memory hear of its first change, unless they left", () => {
  const t = ones(1);
  const heard: string[] = [];
  const watcher = (name: string) => ({ changed: () => void heard.push(name) });
  const [a, b, c] = ["a", "b", "c"].map(watcher);
  t.storage.unwatch(a);
  for (const one of [a, b, c]) t.storage.watch(one);
  t.storage.unwatch(b);
  copyInto(t, ones(1));
  expect(heard).toEqual(["a", "c"]);
  copyInto(t, ones(1));
  expect(heard).toEqual(["a", "c"]);
  t.storage.watch(b);
  t.dispose();
  expect(heard).toEqual(["a", "c", "b"]);
});

test("the reference backend reads whole buffers by default, and freed memory is NaN", () => {
  const backend = reference();
  const buffer = backend.alloc(6);
  backend.fill(buffer, 0x04030201);
  expect(backend.read(buffer)).toEqual(Uint8Array.of(1, 2, 3, 4, 1, 2));
  expect(backend.read(buffer, 1, 3)).toEqual(Uint8Array.of(2, 3));
  backend.free(buffer);
  expect(backend.read(buffer)).toEqual(new Uint8Array(6).fill(255));
  expect(isInitialized()).toBe(true);
});

test("memory is shared from the second tensor on, and freed with the last", () => {
  const t = ones(1);
  const { storage } = t;
  const states = () => [storage.shared, storage.freed];
  expect(states()).toEqual([false, false]);
  const other = t.alias();
  expect(states()).toEqual([true, false]);
  t.dispose();
  expect(states()).toEqual([false, false]);
  other.dispose();
  expect(states()).toEqual([false, true]);
});
