import { describe, expect, it } from "vitest";
import { checkImports } from "./checkImports.ts";

const check = (files: Record<string, string>): string[] => checkImports(new Map(Object.entries(files)));

describe("checkImports", () => {
  it("lets packages import by the table", () => {
    const files = {
      "packages/core/src/layout/shape.ts": "export const rank = 1;",
      "packages/core/src/engine/tensor.ts": 'import { rank } from "./shape.ts";\nimport type { Op } from "./op.ts";',
      "packages/core/src/engine/op.ts": 'import {\n  Tensor,\n} from "./tensor.ts";',
      "packages/peft/src/index.ts": 'import { Module } from "@lowrank/nn";\nimport { matmul } from "@lowrank/core";',
      "packages/peft/src/lora.test.ts": 'import { Llama } from "@lowrank/models";',
      "packages/peft/src/real.node.test.ts": 'import { sharedPath } from "@lowrank/test-support/folders";',
      "tests/soak/run.ts": 'import { Random } from "@lowrank/test-support/random";\nimport "../deploy/ask.ts";',
    };
    expect(check(files)).toEqual([]);
  });

  it.each([
    ["packages/models/src/a.ts", 'import { getPeftModel } from "@lowrank/peft";', "models may not import peft"],
    ["packages/peft/src/a.ts", 'import type { Llama } from "@lowrank/models";', "peft may not import models"],
    ["packages/nn/src/a.ts", 'const backend = await import("@lowrank/wasm");', "nn may not import wasm"],
    ["packages/nano/src/a.ts", 'export * from "lowrank";', "nano may not import lowrank"],
    ["packages/core/src/a.ts", 'import { readFile } from "node:fs";', "core may import nothing"],
    ["packages/nn/src/a.ts", 'import { x } from "../../core/src/x.ts";', "from outside its folder"],
    ["packages/nn/src/a.test.ts", 'import { x } from "@lowrank/core/src/x.ts";', "only public exports"],
    ["bench/a.ts", 'import { x } from "../packages/core/src/x.ts";', "from outside its folder"],
    ["packages/nn/src/a.test.ts", 'import { x } from "../../../tests/support/random.ts";', "from outside its folder"],
    ["packages/nn/src/a.test.ts", 'import { x } from "../../../tools/check/rooms.ts";', "from outside its folder"],
    ["packages/nn/src/a.ts", 'import { x } from "@lowrank/test-support/random";', "nn may not import test-support"],
    ["conformance/src/a.ts", 'import { x } from "../../tests/bundles/x.ts";', "from outside its folder"],
    ["tests/soak/a.ts", 'import { x } from "../support/random.ts";', "from outside its folder"],
    ["tests/support/a.ts", 'import { x } from "../soak/x.ts";', "from outside its folder"],
    ["assembly/a.ts", 'import { x } from "../tools/x";', "a kernel may not import"],
    ["packages/extra/src/a.ts", 'import { x } from "@lowrank/core";', "has no row in the table"],
  ])("refuses %s with %s", (path, source, message) => {
    expect(check({ [path]: source })).toEqual([expect.stringContaining(message)]);
  });

  it("names an op that the entry for backends reaches, and lets its type be", () => {
    const files = (kind: string) => ({
      "packages/core/src/forBackends.ts": `export ${kind}{ plan } from "./ops/mulPlan.ts";`,
      "packages/core/src/ops/mulPlan.ts": 'import { mul } from "./binary/mul.ts";',
      "packages/core/src/ops/binary/mul.ts": 'export const mul: Op<2> = defineOp({ name: "mul" });',
    });
    expect(check(files("type "))).toEqual([]);
    expect(check(files(""))).toEqual([
      expect.stringMatching(/forBackends\.ts: reaches the op in .*ops\/binary\/mul\.ts/),
    ]);
  });

  it("names an internal entry that reaches the chained methods of tensors", () => {
    const files = (target: string) => ({
      "packages/core/src/internal.ts": 'export { nearestName } from "./nearestName.ts";',
      "packages/core/src/nearestName.ts": `import "${target}";`,
      "packages/core/src/methods.ts": 'import { Tensor } from "./tensor.ts";',
    });
    expect(check(files("./tensor.ts"))).toEqual([]);
    expect(check(files("./methods.ts"))).toEqual([
      expect.stringMatching(/internal\.ts: reaches the methods of tensors: .*nearestName\.ts -> .*methods\.ts/),
    ]);
  });

  it("finds a cycle of values and lets one of types be", () => {
    const cycle = (kind: string) => ({
      "packages/nn/src/a.ts": 'import { b } from "./b.ts";',
      "packages/nn/src/b.ts": `import ${kind}{ a } from "./a.ts";`,
    });
    expect(check(cycle("type "))).toEqual([]);
    expect(check(cycle(""))).toHaveLength(2);
  });
});

describe("generic code asks no method for its name", () => {
  const method = "packages/peft/src/methods/scale.ts";
  const declared = "export class ScaleConfig extends PeftConfig {}\nexport const scale: PeftMethod<ScaleConfig> = 0;";
  const problems = (path: string, code: string) => check({ [method]: declared, [path]: code });

  it.each([
    ["if (config instanceof ScaleConfig) merge();", "instanceof ScaleConfig"],
    ['if (config.peftType === "SCALE") merge();', ".peftType ==="],
    ['if (model.peftConfig?.get(name)?.peftType !== "SCALE") merge();', ".peftType !=="],
    ['if ("SCALE" === config.peftType) merge();', "=== config.peftType"],
    ["switch (config.peftType) {", "switch (config.peftType"],
    ["if (sources[0].method === scale) merge();", "=== scale"],
  ])("refuses %s", (code, found) => {
    const path = "packages/train/src/merge.ts";
    expect(problems(path, code)).toEqual([expect.stringContaining("asks for a particular method")]);
    expect(problems(path, code)[0]).toContain(found);
    expect(problems("packages/peft/src/methods/other.ts", code)).toEqual([]);
    expect(problems("packages/train/src/merge.test.ts", code)).toEqual([]);
  });

  it.each([
    "if (config instanceof PromptLearningConfig) merge();",
    "if (found.peftType === config.peftType) merge();",
    "if (scaling === scale(x)) merge();",
    ' * `config instanceof ScaleConfig` and `peftType === "SCALE"` in words',
  ])("allows %s", (code) => expect(problems("packages/peft/src/model/merge.ts", code)).toEqual([]));
});
