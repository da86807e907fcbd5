import { beforeAll, describe, expect, it } from "vitest";
import {
  add,
  checkpoint,
  dropout,
  exp,
  Generator,
  grad,
  gradients,
  init,
  matmul,
  memory,
  mul,
  noGrad,
  rand,
  randn,
  reference,
  resetPeak,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "../index.ts";
import { onRecompute } from "../internal.ts";

beforeAll(async () => {
  await init(reference());
});

const numbers = (t: Tensor | null) => Array.from(t?.dataSync() ?? []);
const leaves = (count: number, size: number) => {
  const generator = new Generator(4);
  return Array.from({ length: count }, () => randn([size, size], { generator, std: 0.3, requiresGrad: true }));
};

/** Blocks with two products, an activation, dropout and a residual. */
function stack(weights: Tensor[], generator: Generator, wrap: (block: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) {
  return (x: Tensor): Tensor => {
    let h = x;
    for (const w of weights) {
      const block = wrap((y) =>
        scope(() => add(y, dropout(matmul(tanh(matmul(exp(tanh(y)), w)), w), { p: 0.3, generator }))),
      );
      h = block(h);
    }
    return h;
  };
}

const plain = (block: (x: Tensor) => Tensor) => block;

/**
 * Runs one forward and backward pass. Returns gradients, the generator's end state, and the peak of memory above the
 * start.
 */
function measure(wrap: typeof plain) {
  const weights = leaves(6, 16);
  const generator = new Generator(9);
  const x = rand([32, 16], { generator: new Generator(2), requiresGrad: true });
  const before = memory();
  resetPeak();
  scope(() => {
    const y = stack(weights, generator, wrap)(x);
    sum(mul(y, y)).backward();
  });
  const peak = memory().peakBytes - before.bytes;
  const grads = [x, ...weights].map((t) => numbers(t.grad));
  const left = memory().buffers - before.buffers - 7;
  return { grads, offset: generator.offset, peak, left };
}

describe("checkpoint", () => {
  it("gives the gradients of the plain run bit for bit, dropout repeated, in less memory", () => {
    const [usual, less] = [measure(plain), measure(checkpoint)];
    expect(less.grads).toEqual(usual.grads);
    expect(less.offset).toBe(usual.offset);
    expect([usual.left, less.left]).toEqual([0, 0]);
    expect(less.peak).toBeLessThan(0.65 * usual.peak);
  });

  it("computes nothing again where nothing is recorded", () => {
    let runs = 0;
    const f = checkpoint((x: Tensor) => {
      runs++;
      return exp(x);
    });
    expect(f(tensor([0])).requiresGrad).toBe(false);
    expect(noGrad(() => f(tensor([0], { requiresGrad: true }))).requiresGrad).toBe(false);
    expect(runs).toBe(2);
    sum(f(tensor([1], { requiresGrad: true }))).backward();
    expect(runs).toBe(4);
  });

  it("reaches what the function closes over: leaves and results, used twice", () => {
    const w = tensor([2, 3], { requiresGrad: true });
    const x = tensor([5, 7], { requiresGrad: true });
    const square = mul(w, w);
    const f = (y: Tensor) => mul(mul(square, y), mul(w, y));
    const [dx, dw] = gradients(sum(checkpoint(f)(x)), [x, w], { retainGraph: true });
    const [ex, ew] = gradients(sum(f(x)), [x, w]);
    expect([numbers(dx), numbers(dw)]).toEqual([numbers(ex), numbers(ew)]);
  });

  it("takes and gives several tensors, with and without gradients", () => {
    const a = tensor([2], { requiresGrad: true });
    const b = tensor([3]);
    const ids = tensor([1], { dtype: "i32" });
    const f = checkpoint((p: Tensor, q: Tensor, i: Tensor) => [mul(p, q), q, i, p]);
    const [product, same, index, itself] = f(a, b, ids);
    expect([product, same, index, itself].map((t) => t.requiresGrad)).toEqual([true, false, false, true]);
    sum(add(product, mul(itself, itself))).backward();
    expect(numbers(a.grad)).toEqual([3 + 4]);
    expect(numbers(checkpoint((x: Tensor) => mul(x, x))(a))).toEqual([4]);
  });

  it("nests, in itself and in grad, and is differentiated twice", () => {
    const cube = (x: Tensor) => mul(mul(x, x), x);
    const nested = checkpoint((x: Tensor) => exp(checkpoint(cube)(x)));
    const slope = (x: number) => 3 * x * x * Math.exp(x ** 3);
    expect(numbers(grad((x: Tensor) => sum(nested(x)))(tensor([0.5])))[0]).toBeCloseTo(slope(0.5), 5);
    const second = grad((x: Tensor) => sum(grad((y: Tensor) => sum(checkpoint(cube)(y)))(x)));
    expect(numbers(second(tensor([1, -2])))).toEqual([6, -12]);
  });

  it("repeats random numbers where the generator has moved on, and leaves it there", () => {
    const generator = new Generator(1);
    const noisy = (x: Tensor) => mul(x, rand([4], { generator }));
    const x = tensor([1, 1, 1, 1], { requiresGrad: true });
    const y = checkpoint(checkpoint(noisy))(x);
    generator.fillUniform(new Float32Array(10));
    sum(y).backward();
    expect(numbers(x.grad)).toEqual(numbers(y));
    expect(generator.offset).toBe(14);
  });

  it("asks code that reads a state of its own whether it still stands, before computing again", () => {
    let factor = 2;
    const scaled = (x: Tensor) => {
      const found = factor;
      onRecompute(() => {
        if (factor !== found) throw new Error("the factor has changed");
      });
      return mul(x, tensor([found]));
    };
    const x = tensor([1, 2], { requiresGrad: true });
    sum(checkpoint(checkpoint(scaled))(x)).backward();
    expect(numbers(x.grad)).toEqual([2, 2]);
    const y = sum(checkpoint(checkpoint(scaled))(x));
    factor = 3;
    expect(() => y.backward()).toThrow("the factor has changed");
    sum(scaled(x)).backward();
    expect(numbers(x.grad)).toEqual([5, 5]);
  });

  it("is freed without a backward pass, and says when it was walked already", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const before = memory().buffers;
    const y = scope(() => checkpoint((t: Tensor) => exp(mul(t, t)))(x));
    expect(memory().buffers).toBe(before + 1);
    y.dispose();
    expect(memory().buffers).toBe(before);
    const z = sum(checkpoint(exp)(x));
    z.backward();
    expect(() => z.backward()).toThrow(/freed the tensors that checkpoint saved/);
  });

  it("holds the history of an argument that it uses but that does not reach its output", () => {
    const [a, b] = [tensor([2], { requiresGrad: true }), tensor([3], { requiresGrad: true })];
    const [y, other] = scope(() => {
      const h = exp(b);
      const unused = checkpoint((p: Tensor, q: Tensor) => {
        mul(q, q);
        return mul(p, p);
      });
      return [sum(unused(mul(a, a), mul(h, b))), sum(h)] as const;
    });
    y.backward();
    other.backward();
    expect(numbers(a.grad)).toEqual([4 * 8]);
    expect(numbers(b.grad)[0]).toBeCloseTo(Math.exp(3), 4);
  });
});
