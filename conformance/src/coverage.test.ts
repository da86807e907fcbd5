import { expect, test } from "vitest";
import { Coverage } from "./coverage.ts";
import { methodCases } from "./methods/index.ts";
import { randomCase } from "./randomCase.ts";

test("a table of methods and options, words with their values", () => {
  const drawn = randomCase(1, "LORA", methodCases.LORA);
  const { base, shape, adapter } = drawn;
  const coverage = new Coverage();
  const options = { r: 2, useDora: true, targetModules: ["q_proj"] };
  const llama = { ...base, config: { ...base.config, model_type: "llama" } };
  const plain = {
    ...drawn,
    shape: { ...shape, padding: 0 },
    base: { ...llama, dtype: "float32" as const, task: "CAUSAL_LM" as const },
  };
  coverage.add({ ...plain, adapter: { ...adapter, options, merges: false } });
  coverage.add({ ...plain, adapter: { ...adapter, options: { r: 3 }, merges: true } });
  expect(coverage.lines()).toEqual([
    "LORA    2  CAUSAL_LM 2, float32 2, llama 2, merged 1, r 2, targetModules by name 1, useDora=true 1",
  ]);
});
