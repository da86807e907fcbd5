import { beforeAll, describe, expect, it } from "vitest";
import "./index.ts";
import { init } from "./backend.ts";
import * as f from "./functional/index.ts";
import { tensor } from "./makeTensor.ts";
import { reference } from "./reference.ts";
import { opCases } from "./testing/index.ts";

beforeAll(() => init(reference()));

/** Functions of as many tensors as one likes. */
const variadic = new Set(["einsum", "gradNorm", "clipToNorm", "adamStep", "lowRankRows"]);

describe("a function refuses more tensors than it takes", () => {
  const functions = f as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of Object.keys(opCases).filter((name) => !variadic.has(name))) {
    it(name, () => {
      const tensors = Array.from({ length: 12 }, () => tensor([1]));
      expect(() => functions[name](...tensors)).toThrow(new RegExp(`^${name}: it takes .*tensors?, and 12 were given`));
    });
  }
});

it("leaves what is no tensor behind the others as it is, and counts those of a step without its guard", () => {
  const x = tensor([1, -2]);
  const loose = f as unknown as Record<string, (...args: unknown[]) => unknown>;
  expect(() => loose.neg(x, 0, [x])).not.toThrow();
  expect(() => [x].map(loose.relu as never)).not.toThrow();
  expect(() => f.mul(x, undefined as never)).toThrow("mul: it takes 2 tensors, and 1 was given");
  expect(() => loose.cacheWrite(x, undefined, x, x)).toThrow("cacheWrite: ");
  expect(() => loose.silu(null, x)).toThrow("silu: argument 0 is null, and a tensor stands behind it");
  expect(() => loose.silu(x, x)).toThrow("silu: it takes 1 tensor, and 2 were given");
  expect(() => loose.sum(x, x)).toThrow("sum: it takes at most 1 tensor, and 2 were given");
  expect(() => loose.add(x)).toThrow();
  expect(() => loose.mul()).toThrow();
  expect(() => loose.tanh()).toThrow("tanh: it takes 1 tensor, and 0 were given");
  expect(() => loose.cat(x, x)).toThrow("cat: it takes a list of tensors, and 2 were given one by one");
  const settings = { lr: 1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, first: true };
  const [a, b, c, d] = [1, 2, 3, 4].map((n) => tensor([n, n]));
  expect(() => f.sgdStep(a, b, c, d, settings)).toThrow("sgdStep: it takes 2 to 3 tensors, and 4 were given");
  expect(() => f.sgdStep(a, b, c, d, { ...settings, guard: "obey" })).not.toThrow();
});
