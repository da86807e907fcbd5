import { expect, test } from "vitest";
import { peftMethods } from "./index.ts";
import { methodLoaders } from "./methodLoaders.ts";

test("the list of methods names each of the loaders, and each loads the method of its name", async () => {
  expect(Object.keys(peftMethods)).toEqual(["LORA", ...Object.keys(methodLoaders)]);
  for (const [name, load] of Object.entries(peftMethods)) expect((await load()).peftType).toBe(name);
});
