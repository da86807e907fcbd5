import { expect, test } from "vitest";
import { architectureLoaders } from "./architectureLoaders.ts";
import * as known from "./architectures.ts";
import { loadArchitecture } from "./loadArchitecture.ts";

test("what is loaded by model_type is what is known", async () => {
  const own = Object.values(known);
  expect(Object.keys(architectureLoaders).sort()).toEqual(own.map(({ modelType }) => modelType).sort());
  for (const architecture of own) expect(await loadArchitecture(architecture)).toBe(architecture);
});

test("an architecture that is not known is an error with the nearest name", async () => {
  await expect(loadArchitecture({ modelType: "lama" })).rejects.toThrow(
    /^there is no architecture "lama"; did you mean llama\? known are bert, /,
  );
});
