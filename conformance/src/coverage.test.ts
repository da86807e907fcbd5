import { expect, test } from "vitest";
import { casesOf } from "./methods/index.ts";
import { Coverage, randomCase } from "./randomCase.ts";

test("a table of methods and options, words with their values, and the options that no check was about", () => {
  const drawn = randomCase(1, "LN_TUNING", casesOf("LN_TUNING"));
  const { base, shape, adapter } = drawn;
  const coverage = new Coverage();
  const options = { modulesToSave: ["a"], revision: "main", targetModules: ["q_proj"] };
  const llama = { ...base, config: { ...base.config, model_type: "llama" } };
  const plain = {
    ...drawn,
    shape: { ...shape, padding: 0 },
    base: { ...llama, dtype: "float32" as const, task: "CAUSAL_LM" as const },
  };
  coverage.add({ ...plain, adapter: { ...adapter, options, merges: false } });
  coverage.add({ ...plain, adapter: { ...adapter, options: { modulesToSave: ["b"] }, merges: true } });
  expect(coverage.lines()).toEqual([
    "LN_TUNING    2  CAUSAL_LM 2, float32 2, llama 2, merged 1, modulesToSave 2, revision=main 1, targetModules by name 1",
    "                in none: excludeModules",
  ]);
});
