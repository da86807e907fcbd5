import { beforeAll, describe, expect, it, test } from "vitest";
import { backendOf, expectCount, expectDType, refuseOptions, refuseSurplus } from "./engine/op.ts";
import {
  add,
  backward,
  copyInto,
  defineOp,
  init,
  memory,
  mul,
  neg,
  noGrad,
  ones,
  reference,
  type Tensor,
  type TensorSpec,
  tensor,
} from "./index.ts";
import { checkLogits } from "./sampling/samplingOptions.ts";
import { deferred } from "./testing/index.ts";

beforeAll(() => init(reference()));

const messageOf = (run: () => unknown): string => {
  try {
    run();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

test.each<[number, number | readonly [number, number], string]>([
  [0, 1, "f: it takes 1 tensor, and 0 were given"],
  [1, 1, ""],
  [2, 1, "f: it takes 1 tensor, and 2 were given"],
  [1, 2, "f: it takes 2 tensors, and 1 was given"],
  [2, 2, ""],
  [3, 2, "f: it takes 2 tensors, and 3 were given"],
  [1, [2, 4], "f: it takes 2 to 4 tensors, and 1 was given"],
  [2, [2, 4], ""],
  [4, [2, 4], ""],
  [5, [2, 4], "f: it takes 2 to 4 tensors, and 5 were given"],
  [0, [1, Infinity], "f: it takes at least 1 tensors, and 0 were given"],
  [1, [1, Infinity], ""],
  [99, [1, Infinity], ""],
])("%j tensors of %j give %j", (given, arity, message) => {
  expect(messageOf(() => expectCount("f", given, arity))).toBe(message);
});

test("tensors in the place of options, or behind them, are refused", () => {
  const surplus = (most: number, count: number, ...others: unknown[]) =>
    messageOf(() => refuseSurplus("f", most, [...Array.from({ length: count }, () => ones(1)), ...others]));
  expect([surplus(0, 0), surplus(1, 1), surplus(2, 1, {}, 3), surplus(2, 2, undefined)]).toEqual(["", "", "", ""]);
  expect(surplus(1, 2)).toBe("f: it takes at most 1 tensor, and 2 were given");
  expect(surplus(2, 3, {})).toBe("f: it takes at most 2 tensors, and 3 were given");
  expect(surplus(0, 2)).toBe(
    "f: it takes a list of tensors, and 2 were given one by one; write f([a, b]) with brackets",
  );
});

test("objects behind the arguments of a function without options are refused, and nothing else", () => {
  for (const fine of [undefined, null, 3, "x", [], [1], ones(1)]) expect(() => refuseOptions("f", fine)).not.toThrow();
  expect(() => refuseOptions("f", { dim: 1, keepdim: true })).toThrow(
    "f: it has no options, and { dim, keepdim } was given",
  );
});

test("dtypes that an op does not take are named, with a cast where one helps", () => {
  const expected = (dtype: "f16" | "bf16" | "i32" | "f32", ...wanted: ("f32" | "i32" | "u8")[]) =>
    messageOf(() => expectDType("f", [ones([2]), ones([2, 3], { dtype })], 1, ...wanted));
  expect(expected("f32", "f32")).toBe("");
  expect(expected("i32", "u8", "i32")).toBe("");
  expect(expected("i32", "f32")).toBe("f: input 1 [2,3] is i32, expected f32");
  expect(expected("f32", "i32", "u8")).toBe("f: input 1 [2,3] is f32, expected i32 or u8");
  for (const dtype of ["f16", "bf16"] as const) {
    expect(expected(dtype, "f32")).toBe(`f: input 1 [2,3] is ${dtype}, expected f32; cast it with t.to('f32') first`);
  }
});

describe("ops", () => {
  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const loose = { add, mul } as any;

  it("name what is no tensor", () => {
    const x = ones(2);
    for (const name of ["add", "mul"]) {
      expect(() => loose[name](x)).toThrow(`${name}: `);
      expect(() => loose[name](x, x, x)).toThrow(`${name}: `);
    }
  });

  it("refuse other arguments between tensors, and ignore further ones after them", () => {
    const definition = {
      name: "test/pair",
      arity: 2,
      shape: ([a]: readonly TensorSpec[]) => a,
      ref: () => {},
    } as const;
    // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
    const pair = defineOp<2>(definition) as any;
    const x = ones(2);
    expect(() => pair(3, x, x)).toThrow("test/pair: argument 0 is 3; expected a tensor");
    expect(() => pair(x, 3, x)).toThrow("test/pair: argument 1 is 3; expected a tensor");
    expect(pair(x, x, undefined, undefined).shape).toEqual([2]);
    expect(() => defineOp(definition)).toThrow(
      'defineOp: an op named "test/pair" exists already; give yours a prefix, as in "acme/test/pair"',
    );
  });

  it("may be composed of an input, which is not freed, or of a new tensor", () => {
    const shared = { arity: 1, shape: ([a]: readonly TensorSpec[]) => a, vjp: () => [null] } as const;
    const same = defineOp<1>({ ...shared, name: "test/same", compose: ([x]) => x });
    const other = defineOp<1>({ ...shared, name: "test/other", compose: ([x]) => neg(x) });
    const x = tensor([1, 2]);
    const before = memory().buffers;
    const found = [same(x), other(x)];
    expect(found.map((t) => [...t.dataSync()])).toEqual([
      [1, 2],
      [-1, -2],
    ]);
    expect(memory().buffers - before).toBe(1);
    for (const t of found) t.dispose();
    expect([...x.dataSync()]).toEqual([1, 2]);
    expect(memory().buffers).toBe(before);
  });

  it("run on one backend", () => {
    const there = deferred();
    const apart = ones([2], { backend: there });
    expect(() => add(ones([2]), apart)).toThrow(/add: inputs live on reference and .*; move them to one backend/);
    const twin = ones([2], { backend: { ...reference(), name: "reference" } });
    expect(() => add(ones([2]), twin)).toThrow("add: inputs live on reference and another reference; move them");
    expect(() => add(ones([2]), ones([2]))).not.toThrow();
    expect(() => backendOf({ name: "f" } as never, [])).toThrow("f: an op needs at least one tensor");
    expect(backendOf({ name: "f" } as never, [apart, apart])).toBe(there);
  });

  it("write in place only where no gradient is lost", () => {
    const leaf = ones([2], { requiresGrad: true });
    const frozen = () => ones([2]);
    expect(() => copyInto(leaf, frozen())).toThrow(
      "copyInto: input 0 [2] is a leaf that requires gradients, and an in-place write has no gradient; write inside noGrad(() => ...)",
    );
    expect(() => copyInto(neg(leaf), frozen())).toThrow(
      "copyInto: input 0 [2] depends on a tensor that requires gradients",
    );
    expect(() => copyInto(frozen(), leaf)).toThrow("copyInto: input 1 [2] depends on a tensor that requires gradients");
    const target = frozen();
    copyInto(target, tensor([3, 4]));
    noGrad(() => copyInto(leaf, target));
    expect([...leaf.dataSync()]).toEqual([3, 4]);
  });

  it("record where an input requires gradients and the output can have one", () => {
    const leaf = ones([2], { requiresGrad: true });
    const recorded = (t: Tensor) => [t.requiresGrad, t.isLeaf];
    expect(recorded(leaf)).toEqual([true, true]);
    expect(recorded(neg(leaf))).toEqual([true, false]);
    expect(recorded(neg(ones([2])))).toEqual([false, true]);
    expect(recorded(noGrad(() => neg(leaf)))).toEqual([false, true]);
    expect(recorded(leaf.gt(0))).toEqual([false, true]);
  });

  it("save values of which a later write is an error that names both", () => {
    const leaf = tensor([2, 3], { requiresGrad: true });
    const factor = tensor([4, 5]);
    const out = mul(leaf, factor).sum();
    copyInto(factor, ones([2]));
    expect(() => backward(out)).toThrow(
      /^backward: mul saved its input 1 \[2\] for the gradient, and copyInto has written to it since/,
    );
  });
});

test("logits are refused where no token can be chosen", () => {
  for (const fine of [[0], [-Infinity, 1], [1e308, -1e308]]) expect(() => checkLogits(fine)).not.toThrow();
  expect(() => checkLogits([])).toThrow("the logits are empty");
  expect(() => checkLogits([Number.NaN])).toThrow("the logit of token 0 is NaN");
  expect(() => checkLogits([1, 2, Number.NaN])).toThrow("the logit of token 2 is NaN");
  expect(() => checkLogits([-Infinity, -Infinity])).toThrow("the largest logit is -Infinity; no token can be chosen");
  expect(() => checkLogits([1, Infinity, 2])).toThrow("the largest logit is Infinity");
});
