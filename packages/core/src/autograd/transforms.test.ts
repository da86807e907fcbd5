import { beforeAll, describe, expect, it } from "vitest";
import {
  cat,
  dropout,
  exp,
  Generator,
  grad,
  init,
  jvp,
  matmul,
  mul,
  noGrad,
  ones,
  reference,
  relu,
  sin,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
} from "../index.ts";
import { expectClose, type FunctionName, inputValues, makeInput, opCases } from "../testing/index.ts";

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

describe("jvp", () => {
  const names: FunctionName[] = [
    ...(["add", "sub", "mul", "div", "pow", "exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "abs"] as const),
    ...(["sin", "cos", "tanh", "sigmoid", "relu", "silu", "gelu", "geluTanh", "softplus", "erf", "expm1"] as const),
    ...(["sum", "mean", "variance", "prod", "logsumexp", "cumsum", "max", "min", "clamp", "maximum"] as const),
    ...(["matmul", "linear", "einsum", "permute", "reshape", "expand", "cat", "pad", "flip", "tril"] as const),
    ...([
      "softmax",
      "logSoftmax",
      "layerNorm",
      "rmsNorm",
      "swiglu",
      "geglu",
      "rope",
      "attention",
      "loraLinear",
    ] as const),
    ...(["embedding", "gather", "indexSelect", "crossEntropy", "linearCrossEntropy", "where"] as const),
  ];

  it.each(names)("of %s agrees with finite differences", async (name) => {
    const backend = reference();
    const found = opCases[name].find(({ inputs, gradients }) => inputs.length > 0 && gradients?.length !== 0);
    if (!found) throw new Error(`no case of ${name} has gradients`);
    const generator = new Generator(1);
    const inputs = found.inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
    const chosen = found.gradients ?? found.inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" ? [i] : []));
    const primals = chosen.map((i) => inputs[i]);
    const tangents = primals.map(({ shape }) => {
      return makeInput({ shape }, inputValues({ shape, low: -1, high: 1 }, generator), backend);
    });
    const fn = (...points: Tensor[]) => {
      const tensors = inputs.map((t, i) => (chosen.includes(i) ? points[chosen.indexOf(i)] : t));
      return [found.run(tensors)].flat()[0];
    };
    const step = 0.02;
    const at = (h: number) => numbers(fn(...primals.map((p, i) => p.add(tangents[i].mul(h)))));
    const [near, far] = [1, 2].map((n) => {
      const [ahead, behind] = [at(n * step), at(-n * step)];
      return ahead.map((v, i) => v - behind[i]);
    });
    const { value, tangent } = jvp(fn, primals, tangents);
    // Value and tangent are compared together, so that the tolerance is also relative to the values, as rounding errors
    // are.
    const flat = (...parts: number[][]) => ({ shape: [2 * value.size], data: parts.flat() });
    const expected = near.map((v, i) => (8 * v - far[i]) / (12 * step));
    expectClose(name, flat(numbers(value), numbers(tangent)), flat(at(0), expected), 1e-3);
  });

  it("of a gradient is the Hessian times a vector", () => {
    const f = (x: Tensor) => sum(mul(exp(x), mul(x, x)));
    const slope = (x: number) => Math.exp(x) * (x * x + 4 * x + 2);
    const { value, tangent } = jvp(grad(f), [tensor([0.5, -1])], [tensor([2, 3])]);
    expect(numbers(value)[1]).toBeCloseTo(Math.exp(-1) * (1 - 2), 5);
    expect(numbers(tangent)[0]).toBeCloseTo(2 * slope(0.5), 4);
    expect(numbers(tangent)[1]).toBeCloseTo(3 * slope(-1), 4);
    const along = grad((x: Tensor) => sum(mul(grad(f)(x), tensor([2, 3]))))(tensor([0.5, -1]));
    expect(numbers(along)[0]).toBeCloseTo(numbers(tangent)[0], 5);
  });

  it("is differentiated, and nests in itself", () => {
    const directional = (x: Tensor) => sum(jvp(cube, [x], [ones([2])]).tangent);
    expect(numbers(grad(directional)(tensor([1, -2])))).toEqual([6, -12]);
    const second = jvp((x: Tensor) => jvp(cube, [x], [ones([2])]).tangent, [tensor([1, -2])], [ones([2])]);
    expect(second.tangent.itemSync()).toBe(-6);
    const byTangent = grad((v: Tensor) => jvp(cube, [tensor([1, -2])], [v]).tangent);
    expect(numbers(byTangent(tensor([5, 7])))).toEqual([3, 12]);
    const w = tensor([3], { requiresGrad: true });
    jvp((x: Tensor) => mul(w, mul(x, x)), [tensor([2])], [tensor([1])])
      .tangent.sum()
      .backward();
    expect(numbers(w.grad as Tensor)).toEqual([4]);
  });

  it("takes several arguments, and functions that lose or ignore them", () => {
    const { value, tangent } = jvp(
      (a: Tensor, b: Tensor) => cat([a, b]),
      [ones([1]), ones([2])],
      [ones([1]), ones([2])],
    );
    expect([numbers(value), numbers(tangent)]).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    const constant = jvp((_x: Tensor) => tensor([7]), [ones([3])], [ones([3])]);
    expect([numbers(constant.value), numbers(constant.tangent)]).toEqual([[7], [0]]);
    expect(noGrad(() => numbers(jvp(relu, [tensor([-1, 2])], [ones([2])]).tangent))).toEqual([0, 1]);
    const generator = new Generator(1);
    const dropped = jvp((x: Tensor) => dropout(x, { p: 0.5, generator }), [ones([8])], [ones([8])]);
    expect(numbers(dropped.tangent)).toEqual(numbers(dropped.value));
  });

  it("names tangents that do not fit", () => {
    expect(() => jvp(cube, [ones([2])], [])).toThrow(/jvp: 1 primals and 0 tangents/);
    expect(() => jvp(cube, [ones([2])], [ones([1])])).toThrow(/jvp: tangent 0 \[1\] must be \[2\]/);
  });
});
