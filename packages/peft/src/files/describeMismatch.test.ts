import { expect, test } from "vitest";
import { describeMismatch } from "./adapterFiles.ts";

test("an adapter of another model is told by some of its keys, and the number of the others", () => {
  const keys = Array.from({ length: 420 }, (_, i) => `layer.${i}`);
  const text = describeMismatch("LoRA adapter 'sql'", {
    missing: [],
    unexpected: keys,
    misshaped: ["a is [1], [2] here"],
  });
  expect(text).toBe(
    `LoRA adapter 'sql' does not fit this model and its adapter_config.json; unexpected: ${keys.slice(0, 8).join(", ")}, ` +
      "and 412 more; of another shape: a is [1], [2] here",
  );
});
