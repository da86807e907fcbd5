import { beforeAll, describe, expect, it } from "vitest";
import {
  backward,
  checkpoint,
  copyInto,
  exp,
  gradients,
  init,
  mul,
  noGrad,
  reference,
  reshape,
  scope,
  silu,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "./index.ts";
import { adamStep, addInto, cacheWrite, scaleInPlace } from "./internal.ts";

beforeAll(async () => {
  await init(reference());
});

const leaf = (values: number[]) => tensor(values, { requiresGrad: true });
const numbers = (t: Tensor | null) => Array.from(t?.dataSync() ?? []);
const scale = (t: Tensor, factor = 10) => noGrad(() => scaleInPlace(t, { factor }));

describe("a value that was saved and then written into", () => {
  it("is an error at backward that names the op that saved it and the one that wrote", () => {
    const [a, b] = [leaf([1, 2]), tensor([3, 4])];
    const y = sum(mul(a, b));
    scale(b);
    expect(() => backward(y)).toThrow(
      /backward: mul saved its input 1 \[2\] for the gradient, and scaleInPlace has written to it since/,
    );
  });

  it("is one through every handle on the same memory, and as an output too", () => {
    const a = leaf([1, 2]);
    for (const handle of [(t: Tensor) => t.detach(), (t: Tensor) => noGrad(() => reshape(t, [1, 2]))]) {
      const b = tensor([3, 4]);
      const y = sum(mul(a, b));
      scale(handle(b));
      expect(() => backward(y)).toThrow(/mul saved its input 1/);
    }
    const e = exp(a);
    scale(e);
    expect(() => backward(sum(e))).toThrow(/exp saved its output 0 \[2\].*scaleInPlace/);
  });

  it("is one after an optimiser's step between the passes", () => {
    const [w, x] = [leaf([1, 2]), leaf([3, 4])];
    const [grad, m, v] = [tensor([1, 1]), zeros([2]), zeros([2])];
    const y = sum(mul(w, x));
    const settings = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1, decoupled: true };
    noGrad(() => adamStep(w, grad, m, v, settings));
    expect(() => backward(y)).toThrow(/mul saved its input 0 \[2\] for the gradient, and adamStep has written/);
    // The op only reads the gradient, so the value saved from it stays valid.
    const z = sum(mul(x, grad));
    noGrad(() => adamStep(w, grad, m, v, { ...settings, step: 2 }));
    expect(numbers(gradients(z, [x])[0])).toEqual([1, 1]);
  });

  it("does not matter where no gradient needs it, or where it was written before it was saved", () => {
    const [a, b] = [leaf([1, 2]), tensor([3, 4])];
    scale(b);
    const y = sum(mul(a, b));
    backward(y);
    expect(numbers(a.grad)).toEqual([30, 40]);
    const c = leaf([5, 6]);
    const sums = sum(reshape(c, [2, 1]));
    scale(c);
    expect(numbers(gradients(sums, [c])[0])).toEqual([1, 1]);
  });

  it("is told of a cheap op's input, and of its own result written before another op saves it", () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const y = scope(() => sum(mul(silu(x), w)));
    scale(x);
    expect(() => backward(y)).toThrow(/silu saved its input 0 \[2\] for the gradient, and scaleInPlace/);
    const h = silu(x);
    scale(h);
    const expected = numbers(h);
    expect(numbers(gradients(sum(mul(h, w)), [w])[0])).toEqual(expected);
  });

  it("is told by checkpoint, for its arguments and for what its function closes over", () => {
    const [a, b] = [leaf([1, 2]), tensor([3, 4])];
    const y = sum(checkpoint((x: Tensor) => mul(x, x))(a));
    scale(a);
    expect(() => backward(y)).toThrow(/checkpoint saved its input 0 \[2\].*scaleInPlace/);
    for (const wrap of [checkpoint, (f: (x: Tensor) => Tensor) => checkpoint(checkpoint(f))]) {
      const z = sum(wrap((x: Tensor) => mul(exp(x), b))(a));
      scale(b);
      expect(() => backward(z)).toThrow(/checkpoint recomputes its function, but scaleInPlace has overwritten/);
    }
  });
});

describe("writing in place", () => {
  it("is refused for a leaf that requires gradients, outside noGrad", () => {
    const a = leaf([1, 2]);
    const wanted = /scaleInPlace: input 0 \[2\] is a leaf that requires gradients.*noGrad/;
    expect(() => scaleInPlace(a, { factor: 2 })).toThrow(wanted);
    expect(numbers(a)).toEqual([1, 2]);
    scale(a, 2);
    scaleInPlace(a.detach(), { factor: 2 });
    expect(numbers(a)).toEqual([4, 8]);
  });

  it("is refused where a recorded tensor would lose its gradient: written into, or its source", () => {
    const [a, cache] = [leaf([1, 2]), zeros([1, 3, 2])];
    const h = mul(a, a);
    expect(() => scaleInPlace(h, { factor: 2 })).toThrow(
      /scaleInPlace: input 0 \[2\] depends on a tensor that requires/,
    );
    const free = zeros([2]);
    expect(() => copyInto(free, h)).toThrow(/copyInto: input 1 \[2\] depends on a tensor that requires gradients/);
    expect(() => addInto(free, a, {})).toThrow(/addInto: input 1 \[2\] depends on a tensor that requires gradients/);
    const rows = reshape(h, [1, 1, 2]);
    expect(() => cacheWrite(cache, rows, { position: 1 })).toThrow(/cacheWrite: input 1 \[1,1,2\] depends on/);
    noGrad(() => cacheWrite(cache, rows, { position: 1 }));
    expect(numbers(cache)).toEqual([0, 0, 1, 4, 0, 0]);
  });
});
