import { init, memory } from "@lowrank/core";
import { LoraConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { PropertyError } from "../errors/propertyError.ts";
import { buildModel, smallestModel } from "../subjects/modelDescription.ts";
import { faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";
import { mergeEqualsUnmerged } from "./mergeEqualsUnmerged.ts";

beforeAll(() => init(wasm()));

const config = new LoraConfig({ r: 2, targetModules: "all-linear" });

describe.each(["f32", "f16", "bf16"] as const)("%s", (dtype) => {
  test.each(["normal", "large", "tiny", "half"] as const)("LoRA with %s values passes", async (kind) => {
    await mergeEqualsUnmerged({ ...smallestModel, dtype }, config, { values: { kind, seed: 3 } });
  });
});

test("a wrong scale in the merge of one layer is found, and the message names layer, difference and seed", async () => {
  const Faulty = faultyLora("WRONG_SCALE", wrongMergeScale("0.mlp.down_proj", 2));
  const faulty = new Faulty({ r: 2, targetModules: "all-linear" });
  const error = await mergeEqualsUnmerged({ ...smallestModel, layers: 2 }, faulty, {
    values: { kind: "normal", seed: 41 },
  }).catch((e) => e);
  expect(error).toBeInstanceOf(PropertyError);
  expect(error.layer).toBe("model.layers.0.mlp.down_proj");
  expect(error.code).toBe("merge_differs");
  expect(error.seed).toBe(41);
  expect(error.message).toMatch(
    /^mergeEqualsUnmerged: after mergeAdapter, model\.layers\.0\.mlp\.down_proj is the first layer with different outputs: they differ by [\d.e-]+ at \[\d, \d, \d\] \([-\d.e]+ unmerged, [-\d.e]+ merged\), and rounding explains [\d.e-]+\. Seed 41\.$/,
  );
});

test("a module that the caller owns has its weights back, and no memory is kept", async () => {
  const model = await buildModel(smallestModel);
  const before = await Promise.all([...model.stateDict().values()].map((t) => t.bytes()));
  await mergeEqualsUnmerged(model, config);
  const { buffers } = memory();
  await mergeEqualsUnmerged(model, config);
  expect(memory().buffers).toBe(buffers);
  await mergeEqualsUnmerged(model, new LoraConfig({ r: 2, initLoraWeights: "pissa", targetModules: "all-linear" }));
  expect(memory().buffers).toBe(buffers);
  expect(await Promise.all([...model.stateDict().values()].map((t) => t.bytes()))).toEqual(before);
  expect([...model.parameters()].every((p) => p.requiresGrad)).toBe(true);
});
