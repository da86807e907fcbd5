import { copyInto, Generator, init, reference, scope, square, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { drawn, draws } from "../shared/draws.ts";
import { CachedTensor } from "./dora.ts";

beforeAll(() => init(reference()));

test("a value is made once, and again when a source is written to or exchanged, or the factor is", async () => {
  const cached = new CachedTensor();
  let made = 0;
  const get = (t: Tensor, factor?: number) =>
    scope(() => {
      const make = () => {
        made++;
        return square(t);
      };
      cached.get([t], make, factor);
    });
  const values = async () => [...(await cached.constants[0].data())];
  const source = tensor([1, 2]);
  get(source);
  get(source);
  expect([made, await values()]).toEqual([1, [1, 4]]);
  copyInto(source, tensor([3, 4]));
  get(source);
  expect([made, await values()]).toEqual([2, [9, 16]]);
  get(tensor([5, 6]));
  expect([made, await values()]).toEqual([3, [25, 36]]);
  get(source, 2);
  get(source, 2);
  expect([made, await values()]).toEqual([4, [9, 16]]);
  get(source, 3);
  expect(made).toBe(5);
});

test.each(["f32", "f16", "bf16"] as const)("initial values are stored as %s", (dtype) => {
  const { zero, one, constant, uniform, normal } = draws({ generator: new Generator(1) } as never);
  for (const draw of [zero, one, constant(2), uniform(1), normal(1)]) {
    const parameter = drawn(draw, [2, 3], dtype);
    expect([parameter.dtype, ...parameter.shape]).toEqual([dtype, 2, 3]);
  }
});
