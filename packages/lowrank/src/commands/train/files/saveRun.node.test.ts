import { expect, test } from "vitest";
import { modelCard } from "./saveRun.ts";

const run = (more: object = {}, config: object = {}, code: object = {}) =>
  ({
    ...{ name: "mine", baseModel: "org/base", peftType: "LORA", steps: 4, maxSteps: 4, labels: [], targets: [] },
    ...{ data: "10 tokens", metrics: [], ...more },
    config: { lowrank: "1.2.3", node: "v24", data: [], options: { lr: 0.1, task: "sft", list: ["a"] }, ...config },
    kind: { pipelineTag: "text-generation", usage: () => ({ python: ["import peft"], ...code }) },
  }) as never;

test("a card of an adapter names its base and method, and has the code that uses it", () => {
  const card = modelCard(run());
  expect(card).toContain("base_model: org/base\nlibrary_name: peft\npipeline_tag: text-generation\n");
  expect(card).toContain("- base_model:adapter:org/base\n  - lora\n  - lowrank\n---");
  expect(card).toContain(
    "# mine\n\nAn adapter (LORA) for org/base, trained by Lowrank in 4 steps.\n\n## How to use\n\n```python\nimport peft\n```",
  );
  expect(card).not.toContain("```js");
  expect(card).not.toContain("```sh");
  expect(card).toContain("- lr: 0\\.1\n- task: sft\n- list: ");
  expect(card).toContain("## Results\n\nNothing was held back to validate on.");
  expect(card).not.toContain("SHA-256");
  expect(card.endsWith("- Lowrank 1.2.3\n- Node v24\n")).toBe(true);
});

test("a card has the files, the modules that trained and code for each language", () => {
  const data = [{ path: "a.jsonl", bytes: 12, sha256: "abc" }];
  const card = modelCard(
    run({ targets: ["2 q_proj", "4 v_proj"] }, { data }, { javascript: ["run()"], command: "go" }),
  );
  expect(card).toContain("10 tokens\n\n| file | bytes | SHA-256 |\n");
  expect(card).toContain("| a.jsonl | 12 | abc |\n\n## Training procedure");
  expect(card).toContain("```js\nrun()\n```\n\n```sh\ngo\n```");
  expect(card).toContain("\n\n2 q\\_proj  \n4 v\\_proj\n\n### Framework versions");
  expect(modelCard(run({ targets: ["2 q_proj"] }))).toContain("\n\n2 q\\_proj\n\n### Framework versions");
  expect(modelCard(run())).toMatch(/- list: [^\n]*\n\n### Framework versions/);
});

test("a card of a whole model has no code, and a run that ended early says so", () => {
  const card = modelCard(run({ peftType: null, steps: 3 }));
  expect(card).toContain("library_name: transformers\n");
  expect(card).not.toContain("base_model:adapter");
  expect(card).toContain("A model made from org/base, trained by Lowrank in 3 of 4 steps.\n\n## Results");
  expect(card).not.toContain("How to use");
});

test("the results are the first and the last validation", () => {
  const metrics = [
    { step: 0, eval_loss: 3 },
    { step: 1, loss: 1 },
    { step: 2, eval_loss: 2.5, eval_f1: 0.5 },
    { step: 4, eval_loss: 2, eval_f1: 1 },
  ];
  const card = modelCard(run({ metrics }));
  const rows = card.split("\n").filter((line) => line.startsWith("|"));
  const cells = rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(cells[0]).toEqual(["validation", "after step 0", "after step 4"]);
  expect(cells[2]).toEqual(["loss", "3", "2"]);
  expect(cells[3]).toEqual(["f1", "", "1"]);
});
