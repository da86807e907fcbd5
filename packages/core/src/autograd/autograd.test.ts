import { beforeAll, describe, expect, it } from "vitest";
import {
  add,
  backward,
  defineOp,
  enableGrad,
  exp,
  gradients,
  init,
  isGradEnabled,
  matmul,
  memory,
  mul,
  noGrad,
  type Op,
  reference,
  relu,
  reshape,
  scope,
  sigmoid,
  silu,
  sum,
  type Tensor,
  tensor,
  to,
} from "../index.ts";
import { scaleInPlace } from "../internal.ts";

beforeAll(async () => {
  await init(reference());
});

const leaf = (values: number[]) => tensor(values, { requiresGrad: true });
const numbers = (t: Tensor | null) => Array.from(t?.dataSync() ?? []);

describe("backward", () => {
  it("reaches every leaf, adds over uses, and adds to a gradient that is there", () => {
    const x = leaf([2, 3]);
    const y = leaf([5, 7]);
    backward(sum(add(mul(x, y), mul(x, x))));
    expect(numbers(x.grad)).toEqual([5 + 4, 7 + 6]);
    expect(numbers(y.grad)).toEqual([2, 3]);
    backward(sum(x));
    expect(numbers(x.grad)).toEqual([10, 14]);
  });

  it("gives each leaf a gradient in memory of its own", () => {
    const [x, y] = [leaf([2, 3]), leaf([5, 7])];
    const gradient = tensor([3, 4]);
    const before = memory().buffers;
    scope(() => {
      backward(add(x, y), gradient);
      backward(reshape(x, [1, 2]), tensor([[1, 1]]));
    });
    scaleInPlace(x.grad as Tensor, { factor: 10 });
    expect([x.grad, y.grad, gradient].map(numbers)).toEqual([
      [40, 50],
      [3, 4],
      [3, 4],
    ]);
    expect(memory().buffers - before).toBe(2);
  });

  it("passes zeros to a rule for the outputs that are not used", () => {
    const twice = defineOp<1, object, 2>({
      name: "test/twoOutputs",
      arity: 1,
      shape: ([x]) => [x, x],
      ref: ([x], [one, two]) => {
        one.data.set(x.data);
        two.data.set(x.data.map((value) => 10 * value));
      },
      vjp: ({ grads: [one, two] }) => [add(one, mul(two, tensor([10])))],
    });
    for (const [i, slope] of [1, 10].entries()) {
      const x = leaf([2, 3]);
      backward(sum(twice(x, {})[i]));
      expect(numbers(x.grad)).toEqual([slope, slope]);
    }
  });

  it("takes the gradient of an output that is no scalar", () => {
    const x = leaf([1, 2]);
    backward(mul(x, x), tensor([1, 10]));
    expect(numbers(x.grad)).toEqual([2, 40]);
  });

  it("gives no gradient to frozen tensors and keeps nothing for them", () => {
    const frozen = tensor([[1, 2]]);
    const w = tensor([[3], [4]], { requiresGrad: true });
    const y = sum(matmul(frozen, w));
    backward(y);
    expect(frozen.grad).toBeNull();
    expect(numbers(w.grad)).toEqual([1, 2]);
  });

  it("frees what the graph saved, so that a second pass says why it cannot run", () => {
    const x = leaf([1, 2]);
    const y = sum(mul(x, x));
    backward(y, undefined, { retainGraph: true });
    backward(y);
    expect(numbers(x.grad)).toEqual([4, 8]);
    expect(() => backward(y)).toThrow(/freed the tensors that mul saved; pass retainGraph/);
  });

  it("adds gradients of half precision, over uses and over passes, rounded as the leaf is", () => {
    for (const dtype of ["f16", "bf16"] as const) {
      const x = to(tensor([1, 2]), { dtype });
      x.requiresGrad = true;
      const wide = () => to(x, { dtype: "f32" });
      backward(sum(mul(wide(), wide())));
      backward(sum(wide()));
      expect(x.grad?.dtype).toBe(dtype);
      expect(numbers(x.grad)).toEqual([3, 5]);
      expect(gradients(sum(wide()), [x, wide()]).map((g) => g.dtype)).toEqual([dtype, "f32"]);
    }
  });

  it("names the op whose rule returns a gradient of the wrong shape, dtype or number", () => {
    const answers: Record<string, (dy: Tensor) => (Tensor | null)[]> = {
      "acme/shape: its vjp returned the gradient [1] for input 0; expected [2]": () => [tensor([1]), null],
      "acme/dtype: its vjp returned the gradient i32 [2] for input 0; expected [2]": (dy) => [
        to(dy, { dtype: "i32" }),
        null,
      ],
      "acme/count: its vjp returned 1 gradients for 2 inputs; return one for each": (dy) => [dy],
    };
    for (const [message, answer] of Object.entries(answers)) {
      const op: Op<2> = defineOp({
        name: message.slice(0, message.indexOf(":")),
        arity: 2,
        shape: ([x]) => x,
        ref: ([x], [out]) => out.data.set(x.data),
        vjp: ({ grads: [dy] }) => answer(dy),
      });
      expect(() => backward(sum(op(leaf([1, 2]), leaf([1, 2]))))).toThrow(message);
    }
  });

  it("refuses what has no gradient", () => {
    expect(() => backward(tensor(1))).toThrow(/does not depend on anything/);
    expect(() => backward(mul(leaf([1, 2]), leaf([1, 2])))).toThrow(/\[2\] is not a scalar/);
    expect(() => backward(sum(leaf([1, 2])), tensor([1, 1]))).toThrow(/gradient \[2\] must be \[\]/);
    expect(() => tensor([1], { dtype: "i32", requiresGrad: true })).toThrow(/i32 tensor \[1\] cannot require/);
    const result = mul(leaf([1]), leaf([1]));
    expect(() => {
      result.requiresGrad = false;
    }).toThrow(/only be changed on leaf tensors; use detach/);
  });
});

describe("gradients", () => {
  it("gives derivatives of derivatives", () => {
    const x = leaf([0.5, -1]);
    const y = sum(mul(mul(x, x), x));
    const [first] = gradients(y, [x], { createGraph: true });
    const [second] = gradients(sum(first), [x], { createGraph: true });
    const [third] = gradients(sum(second), [x]);
    expect(numbers(first)).toEqual([0.75, 3]);
    expect(numbers(second)).toEqual([3, -6]);
    expect(numbers(third)).toEqual([6, 6]);
    expect(x.grad).toBeNull();
  });

  it("is taken with respect to results too, and is zero where there is no path", () => {
    const x = leaf([1, 2]);
    const other = leaf([1]);
    const h = exp(x);
    const [dh, none] = gradients(sum(mul(h, h)), [h, other]);
    expect(numbers(dh)[0]).toBeCloseTo(2 * Math.E, 5);
    expect(numbers(none)).toEqual([0]);
  });

  it("leaves no memory but the result", () => {
    const [x, gradient] = [leaf([2, -3]), tensor([5, 7])];
    const before = memory().buffers;
    {
      using y = relu(x);
      using slope = gradients(y, [x], { gradient })[0];
      expect(numbers(slope)).toEqual([5, 0]);
    }
    expect(memory().buffers).toBe(before);
  });

  it("passes a reshape, which shares memory", () => {
    const x = leaf([1, 2, 3, 4]);
    const [dx] = gradients(
      sum(
        mul(
          reshape(x, [2, 2]),
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ),
      ),
      [x],
    );
    expect(numbers(dx)).toEqual([1, 2, 3, 4]);
  });
});

describe("grad mode", () => {
  it("records nothing inside noGrad, and again inside enableGrad", () => {
    const x = leaf([1]);
    expect(noGrad(() => mul(x, x).requiresGrad)).toBe(false);
    expect(noGrad(() => enableGrad(() => mul(x, x).requiresGrad))).toBe(true);
    expect(() =>
      noGrad(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(isGradEnabled()).toBe(true);
  });
});

describe("memory", () => {
  it("returns to where it was after each of many training steps in a scope", () => {
    const w = tensor(
      [
        [0.1, 0.2],
        [0.3, 0.4],
      ],
      { requiresGrad: true },
    );
    const step = () => {
      scope(() => {
        const h = matmul(tensor([[1, 2]]), w);
        backward(sum(mul(exp(h), h)));
      });
      w.grad?.dispose();
      w.grad = null;
    };
    step();
    const before = memory();
    for (let i = 0; i < 1000; i++) step();
    expect(memory().bytes).toBe(before.bytes);
    expect(memory().buffers).toBe(before.buffers);
  });

  it("lets go of activations as the backward pass moves on, once no handle holds them", () => {
    const x = leaf(new Array(1000).fill(0.5));
    const loss = scope(() => {
      let h: Tensor = x;
      for (let i = 0; i < 5; i++) h = exp(mul(h, h));
      return sum(h);
    });
    const held = memory().bytes;
    backward(loss);
    // Five results of exp were saved; x.grad is new.
    expect(held - memory().bytes).toBe(5 * 4000 - 4000);
  });

  it("does not hold what a cheap op gives, and computes it again once for all who need it", () => {
    const [x, first, second] = [leaf(new Array(1000).fill(0.5)), leaf(new Array(1000).fill(2)), leaf([1])];
    const make = () =>
      scope(() => {
        const h = silu(x);
        return [sum(mul(h, first)), sum(mul(mul(h, h), second))] as const;
      });
    const before = memory().bytes;
    const [one, two] = make();
    // mul(h, h) is stored, silu(x) is not; the two sums are stored too.
    expect(memory().bytes - before).toBe(4000 + 8);
    const total = add(one, two);
    backward(total, undefined, { retainGraph: true });
    // A third sum, three gradients, and silu's result again, until no gradient can need it.
    expect(memory().bytes - before).toBe(4000 + 12 + 4000 + 4000 + 4 + 4000);
    const sigmoid = 1 / (1 + Math.exp(-0.5));
    const [h, slope] = [0.5 * sigmoid, sigmoid * (1 + 0.5 * (1 - sigmoid))];
    expect(x.grad?.dataSync()[7]).toBeCloseTo(slope * (2 + 2 * h), 6);
    expect(first.grad?.dataSync()[7]).toBeCloseTo(h, 7);
    expect(second.grad?.dataSync()[0]).toBeCloseTo(1000 * h * h, 3);
    for (const t of [one, two, total]) t.dispose();
    expect(memory().bytes - before).toBe(4000 + 4000 + 4);
  });

  it("keeps a cheap op's result for those who still need it when what it was made of goes", () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const [first, second] = scope(() => {
      const h = silu(x);
      return [sum(h), sum(mul(h, w))] as const;
    });
    backward(first);
    const [dw] = gradients(second, [w]);
    expect(numbers(dw as Tensor)).toEqual(numbers(silu(x)));
    expect(() => backward(second)).toThrow(/an earlier backward freed/);
  });

  it("goes through a cheap op for gradients of gradients", () => {
    const x = leaf([0.3, -1.2]);
    const cube = (t: Tensor) => sum(mul(t, mul(t, t)));
    const twice = (f: (t: Tensor) => Tensor) => {
      const [dx] = gradients(f(x), [x], { createGraph: true });
      return numbers(gradients(sum(dx as Tensor), [x])[0] as Tensor);
    };
    const held = twice((t) => cube(mul(t, sigmoid(t))));
    for (const [i, value] of twice((t) => cube(silu(t))).entries()) expect(value).toBeCloseTo(held[i] as number, 5);
  });

  it("goes through 20,000 cheap ops in a row", () => {
    const [x, w] = [leaf([0.5]), leaf([2])];
    const y = scope(() => {
      let h: Tensor = x;
      for (let i = 0; i < 20_000; i++) h = relu(h);
      return sum(mul(h, w));
    });
    backward(y);
    expect([numbers(x.grad), numbers(w.grad)]).toEqual([[2], [0.5]]);
  });

  it("goes through 20,000 ops in a row that save what they were given", () => {
    const [x, w] = [leaf([2]), leaf([1])];
    const y = scope(() => {
      let h: Tensor = x;
      for (let i = 0; i < 20_000; i++) h = mul(h, w);
      return sum(h);
    });
    backward(y);
    expect([numbers(x.grad), numbers(w.grad)]).toEqual([[1], [40_000]]);
  });

  it("frees a graph that is never walked when its result is disposed", () => {
    const x = leaf([1, 2, 3]);
    const before = memory().buffers;
    const y = scope(() => exp(mul(exp(x), x)));
    expect(memory().buffers).toBeGreaterThan(before + 1);
    y.dispose();
    expect(memory().buffers).toBe(before);
  });
});
