import { expect, it } from "vitest";
import { defaultGenerator, dropout, Generator, manualSeed, ones, rand, randn, reference } from "../index.ts";
import { deferred, primitives } from "../testing/index.ts";

it("draws the same after the same seed, on every backend, as a generator of that seed", async () => {
  const generator = new Generator(7);
  const drawn = async (backend = reference(), own?: Generator) => {
    const tensors = [
      randn([2, 3], { backend, generator: own }),
      rand([5], { backend, generator: own, low: -1 }),
      dropout(ones([8], { backend }), { p: 0.5, generator: own }),
    ];
    return Promise.all(tensors.map((t) => t.data()));
  };
  const expected = await drawn(reference(), generator);
  for (const backend of [reference(), primitives(), deferred()]) {
    expect(manualSeed(7)).toBe(defaultGenerator);
    expect(await drawn(backend)).toEqual(expected);
    expect(defaultGenerator.state).toEqual(generator.state);
  }
  manualSeed(8);
  expect(await drawn()).not.toEqual(expected);
});

it("leaves the default generator where one is given", () => {
  manualSeed(3);
  randn([4], { generator: new Generator(1), backend: reference() });
  expect(defaultGenerator.offset).toBe(0);
  randn([4], { backend: reference() });
  expect(defaultGenerator.offset).toBe(4);
});
