import { expect, test } from "vitest";
import { compareOutcomes } from "./comparison.ts";
import type { Job } from "./job.ts";

const job: Job = {
  ...{ model: "/models/<img src=x onerror=alert(1)>", method: "lora", seed: 0, r: 8, targetModules: "all-linear" },
  ...{ virtualTokens: 20, steps: 3, batchSize: 4, learningRate: 1e-3, testExamples: 10, backend: "wasm", threads: 1 },
  data: { kind: "files", data: ["[a](javascript:b).jsonl"], validation: undefined, validationFraction: 0.1 },
  precision: undefined,
};

test("names of models and files, and errors, are text in Markdown and HTML", () => {
  const { markdown, html } = compareOutcomes([{ job, error: "<script>c</script> | `d`" }]);
  expect(markdown).toContain("\\<img src=x onerror=alert(1)\\>");
  expect(markdown).toContain("\\[a\\](javascript:b).jsonl");
  expect(markdown).toContain("- lora, seed 0: \\<script\\>c\\</script\\> | \\`d\\`");
  expect(html).not.toMatch(/<img|<script>c/);
});
