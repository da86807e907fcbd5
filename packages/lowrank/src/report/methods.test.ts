import { expect, test } from "vitest";
import { allMethods, defaultMethod, findMethods } from "./methods.ts";

test("full fine-tuning is the first method, and LoRA the default", () => {
  const [full, lora] = allMethods();
  expect(full).toMatchObject({ name: "full", learningRate: 1e-3, usualLearningRate: 2e-4, common: true, peft: null });
  expect([lora.name, defaultMethod().name]).toEqual(["lora", "lora"]);
  expect(
    allMethods()
      .slice(0, 8)
      .map(({ name }) => name),
  ).toEqual([...["full", "lora", "qlora", "dora", "prefix", "houlsby", "ia3", "rslora"]]);
  expect(findMethods(["dora", "full"]).map(({ name }) => name)).toEqual(["dora", "full"]);
});
