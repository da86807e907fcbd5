import { beforeAll, describe, expect, it } from "vitest";
import {
  exp,
  grad,
  init,
  matmul,
  mul,
  noGrad,
  reference,
  sin,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
} from "./index.ts";

beforeAll(async () => {
  await init(reference());
});

const numbers = (t: Tensor) => Array.from(t.dataSync());
const cube = (x: Tensor) => sum(mul(mul(x, x), x));

describe("grad", () => {
  it("differentiates by the first argument and leaves it as it was", () => {
    const x = tensor([1, -2]);
    expect(numbers(grad(cube)(x))).toEqual([3, 12]);
    expect([x.requiresGrad, x.grad]).toEqual([false, null]);
  });

  it("nests: second and third derivatives", () => {
    const second = grad((x: Tensor) => sum(grad(cube)(x)));
    const third = grad((x: Tensor) => sum(second(x)));
    expect(numbers(second(tensor([1, -2])))).toEqual([6, -12]);
    expect(numbers(third(tensor([1, -2])))).toEqual([6, 6]);
    const sine = grad((x: Tensor) => sum(grad((y: Tensor) => sum(sin(y)))(x)));
    expect(numbers(sine(tensor([0.7])))[0]).toBeCloseTo(-Math.sin(0.7), 6);
  });

  it("works where recording is off, and inside another recording", () => {
    expect(noGrad(() => numbers(grad(cube)(tensor([2]))))).toEqual([12]);
    const w = tensor([3], { requiresGrad: true });
    const penalty = sum(mul(grad((x: Tensor) => sum(mul(mul(w, x), x)))(tensor([2])), tensor([1])));
    penalty.backward();
    expect(numbers(w.grad as Tensor)).toEqual([4]);
  });
});

describe("valueAndGrad", () => {
  it("gives the value and the gradients of the arguments asked for", () => {
    const f = (a: Tensor, b: Tensor) => sum(mul(exp(a), b));
    const { value, grads } = valueAndGrad(f, { argnums: [1, 0] })(tensor([0, 1]), tensor([2, 3]));
    expect(value.itemSync()).toBeCloseTo(2 + 3 * Math.E, 5);
    expect(numbers(grads[0])[1]).toBeCloseTo(Math.E, 5);
    expect(numbers(grads[1])[1]).toBeCloseTo(3 * Math.E, 5);
    expect(() => valueAndGrad(f, { argnums: [2] })(tensor([1]), tensor([1]))).toThrow(/no argument 2 among 2/);
  });
});

describe("vjp", () => {
  it("pulls several gradients of a result back to all arguments", () => {
    const { value, pullback } = vjp((a: Tensor, b: Tensor) => matmul(a, b), tensor([[1, 2]]), tensor([[3], [4]]));
    expect(numbers(value)).toEqual([11]);
    expect(pullback(tensor([[1]])).map(numbers)).toEqual([
      [3, 4],
      [1, 2],
    ]);
    expect(pullback(tensor([[10]])).map(numbers)).toEqual([
      [30, 40],
      [10, 20],
    ]);
  });
});
