import { beforeAll, expect, it } from "vitest";
import { Generator, init, mul, randn, reference, square, type Tensor } from "../index.ts";
import { checkGrad } from "./checkGrad.ts";

beforeAll(() => init(reference()));

const x = () => randn([6, 7], { generator: new Generator(1) });

it.each([
  [undefined, 42],
  [100, 42],
  [5, 5],
])("elements %s: the values beside %i elements are asked for, and no others", async (elements, tried) => {
  const points = new Set<string>();
  const start = x();
  const values = [...(await start.data())];
  const fn = (t: Tensor) => {
    const moved = [...t.dataSync()].flatMap((value, i) => (value === values[i] ? [] : [`${i}: ${value}`]));
    for (const point of moved) points.add(point);
    return square(t);
  };
  await checkGrad(fn, [start], { elements });
  expect(new Set([...points].map((point) => point.split(":")[0])).size).toBe(tried);
  expect(points.size).toBe(4 * tried);
});

it("finds a gradient that is wrong, or no number, also by some of the elements", async () => {
  // A function whose gradient is half of the correct one.
  const halved = (t: Tensor) => mul(t, t.detach());
  for (const elements of [undefined, 3]) {
    await expect(checkGrad(halved, [x()], { elements })).rejects.toThrow("gradient of input 0");
  }
  const undefinedAtOne = (t: Tensor) => mul(t, t.detach().sub(t.detach()).log().mul(0).detach()).mul(0).add(square(t));
  await expect(checkGrad(undefinedAtOne, [x()], { elements: 3 })).rejects.toThrow("gradient of input 0");
});
