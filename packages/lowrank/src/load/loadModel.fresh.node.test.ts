import { join } from "node:path";
import { goldenFolder } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import { isInitialized, loadSequenceClassifier, tensor } from "../index.gen.ts";

test("a classifier loads and answers without init, on WebAssembly", async () => {
  expect(isInitialized()).toBe(false);
  const { model, config } = await loadSequenceClassifier(join(goldenFolder, "models", "bert-cls"));
  const inputIds = tensor([[4, 5, 6]], { dtype: "i32" });
  expect(inputIds.storage.backend.name).toBe("wasm");
  expect(model.forward({ inputIds }).logits.shape).toEqual([1, config.labels.length]);
});
