import {
  abs,
  affine,
  defineOp,
  div,
  expectDType,
  grad,
  jvp,
  memory,
  mul,
  type Op,
  reference,
  scope,
  softplus,
  square,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "@lowrank/core";
import { checkGrad } from "@lowrank/core/testing";
import { describe, expect, it } from "vitest";
import { kernel, wasm } from "./index.ts";

/** x / (width + |x|), by loops and with a custom gradient rule. */
const softsign: Op<1, { width: number }> = defineOp<1, { width: number }>({
  name: "test/softsign",
  arity: 1,
  shape: (inputs, { width }) => {
    expectDType("softsign", inputs, 0, "f32");
    if (!(width > 0)) throw new Error(`softsign: width is ${width}; it must be positive`);
    return inputs[0];
  },
  ref: ([x], [out], { width }) => {
    for (let i = 0; i < out.size; i++) out.data[i] = x.data[i] / (width + Math.abs(x.data[i]));
  },
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x], params: { width } }) => [
    div(affine(dy, { scale: width }), square(affine(abs(x), { shift: width }))),
  ],
});

/** x * tanh(softplus(x)), composed of other ops. */
const mish: Op<1> = defineOp<1>({
  name: "test/mish",
  arity: 1,
  shape: (inputs) => {
    expectDType("mish", inputs, 0, "f32");
    return inputs[0];
  },
  compose: ([x]) => mul(x, tanh(softplus(x))),
});

/** The sum and the difference of two tensors: values by loops, gradients by composition. */
const sumAndDifference: Op<2, void, 2> = defineOp<2, void, 2>({
  name: "test/sumAndDifference",
  arity: 2,
  shape: ([a]) => [a, a],
  ref: ([a, b], [plus, minus]) => {
    for (let i = 0; i < a.size; i++) {
      plus.data[i] = a.data[i] + b.data[i];
      minus.data[i] = a.data[i] - b.data[i];
    }
  },
  compose: ([a, b]) => [a.add(b), a.sub(b)],
});

/** `softsign` by kernels of this package. */
const softsignKernel = kernel<typeof softsign>("test/softsign", (k, [x], [out], { width }, scratch) => {
  const below = scratch(4 * x.size);
  k.abs(x.ptr, below, x.size);
  k.affine(below, below, x.size, 1, width);
  k.div(x.ptr, below, out.ptr, 1, x.size, 0, 0, 1, 1);
});

const points = [-3, -0.7, 0.4, 2, 5];
const numbers = (t: Tensor) => Array.from(t.dataSync());

describe.each([
  ["reference", reference()],
  ["wasm", await wasm()],
  ["wasm with a kernel of their own", await wasm({ kernels: [softsignKernel] })],
] as const)("ops defined outside of the package, on %s", (_name, backend) => {
  const x = () => tensor(points, { backend });
  const wide = (t: Tensor) => softsign(t, { width: 2 });

  it("give their values, and leave no memory", () => {
    const before = memory().buffers;
    scope(() => {
      for (const [i, p] of points.entries()) {
        expect(numbers(wide(x()))[i]).toBeCloseTo(p / (2 + Math.abs(p)), 6);
        expect(numbers(mish(x()))[i]).toBeCloseTo(p * Math.tanh(Math.log1p(Math.exp(p))), 5);
      }
      const [plus, minus] = sumAndDifference(x(), x());
      expect(numbers(plus)).toEqual(numbers(x().mul(2)));
      expect(numbers(minus)).toEqual(points.map(() => 0));
    });
    expect(memory().buffers).toBe(before);
  });

  it("have the gradients that finite differences show, of first and second order", async () => {
    for (const f of [wide, mish]) await checkGrad(f, [x()], { order: 2, tolerance: 2e-3 });
    await checkGrad((a: Tensor, b: Tensor) => sumAndDifference(a.square(), b.square()), [x(), x()], { order: 2 });
  });

  it("go through grad, grad of grad, and jvp", () => {
    const f = (t: Tensor) => sum(wide(t));
    const first = points.map((p) => 2 / (2 + Math.abs(p)) ** 2);
    const second = points.map((p) => (-4 * Math.sign(p)) / (2 + Math.abs(p)) ** 3);
    for (const [i, g] of numbers(grad(f)(x())).entries()) expect(g).toBeCloseTo(first[i], 6);
    for (const [i, g] of numbers(grad((t: Tensor) => sum(grad(f)(t)))(x())).entries()) {
      expect(g).toBeCloseTo(second[i], 6);
    }
    const { tangent } = jvp(wide, [x()], [x()]);
    for (const [i, g] of numbers(tangent).entries()) expect(g).toBeCloseTo(first[i] * points[i], 5);
  });

  it("throw what their shape rule says", () => {
    expect(() => softsign(x(), { width: 0 })).toThrow("softsign: width is 0; it must be positive");
    expect(() => mish(tensor([1], { dtype: "i32", backend }))).toThrow(/mish: input 0 \[1\] is i32, expected f32/);
  });
});

describe("a kernel of one's own", () => {
  it("runs in place of the loops", async () => {
    let calls = 0;
    const counted = kernel<typeof softsign>("test/softsign", (...call) => {
      calls++;
      return softsignKernel.run(...(call as Parameters<typeof softsignKernel.run>));
    });
    const backend = await wasm({ kernels: [counted] });
    scope(() => softsign(tensor(points, { backend }), { width: 2 }));
    expect(calls).toBe(1);
  });

  it("has the types of its op and of the module's exports", () => {
    // @ts-expect-error: softsign has no parameter of this name
    const wrongParameter = kernel<typeof softsign>("test/softsign", (k, [x], [out], { breadth }) =>
      k.affine(x.ptr, out.ptr, 1, breadth, 0),
    );
    // @ts-expect-error: the export takes five numbers
    const tooFew = kernel<typeof mish>("test/mish", (k, [x], [out]) => k.affine(x.ptr, out.ptr, 1));
    expect([wrongParameter.op, tooFew.op]).toEqual(["test/softsign", "test/mish"]);
  });

  it("reports a fault in the data in the words of its op", async () => {
    const positive: Op<1> = defineOp<1>({
      name: "test/positive",
      arity: 1,
      shape: ([x]) => x,
      fault: (at, value, [x]) => new Error(`positive: ${value} at ${at} of [${x.shape}] is not positive`),
      vjp: ({ grads }) => [...grads],
    });
    const code = kernel<typeof positive>("test/positive", () => ({ at: 2, value: -7 }));
    const backend = await wasm({ kernels: [code] });
    expect(() => positive(tensor([1, 2, -7], { backend }))).toThrow("positive: -7 at 2 of [3] is not positive");
  });
});

it("an op of a name that is taken is refused", () => {
  const shape: (typeof mish)["definition"]["shape"] = ([x]) => x;
  expect(() => defineOp<1>({ name: "matmul", arity: 1, shape })).toThrow(
    'defineOp: an op named "matmul" exists already; give yours a prefix, as in "acme/matmul"',
  );
});
