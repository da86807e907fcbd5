import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findModel } from "../cli/loading/modelConfig.ts";
import { parsePeftConfig, peftMethods, reportAdapter } from "../index.gen.ts";
import golden from "./adapterSizes.gen.json" with { type: "json" };
import { type Agreement, agreement } from "./publishedNumbers.ts";

let temporary: string;
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "lowrank-sizes-"));
});
afterAll(() => rm(temporary, { recursive: true, force: true }));

const named = golden.cases.map((given) => {
  const { peft_type, ...options } = given.adapter;
  return {
    ...given,
    name: `${peft_type} ${JSON.stringify(options)} on ${given.base.architectures[0]} in ${given.base.dtype}`,
  };
});

// Compares with PEFT's counts and file sizes in bytes: random adapters of every method on decoders, encoders and
// classifiers.
test.each(named)("$name", async ({ base, adapter, peft }) => {
  const file = join(temporary, "config.json");
  await writeFile(file, JSON.stringify(base));
  const config = await parsePeftConfig(adapter);
  const { shapes, dtype } = await findModel(file, { classifies: config.taskType === "SEQ_CLS" });
  const { trainable, total, bytesSaved, percent } = await reportAdapter(shapes, config, { dtype });
  expect([trainable, total, bytesSaved]).toEqual(peft);
  expect(percent).toBe((100 * trainable) / total);
});

test("every method of PEFT's is among them", () => {
  const tried = new Set(golden.cases.map(({ adapter }) => adapter.peft_type));
  // The sizes of AdaMSS's tensors follow from clusters of the weights, which a report does not have.
  // X-LoRA's layers follow from the files of its experts. goldenAdapters.node.test.ts compares its counts with PEFT's.
  const others = ["BITFIT", "BOTTLENECK", "ADAMSS", "XLORA"];
  expect(Object.keys(peftMethods).filter((type) => !tried.has(type) && !others.includes(type))).toEqual([]);
});

test.each<[string, number, Agreement]>([
  ["4.7M", 4_718_592, "rounded"],
  ["4.7M", 4_650_000, "rounded"],
  ["4.7M", 4_649_999, "differs"],
  ["4.7M", 4_750_000, "cut"],
  ["4.7M", 4_800_000, "differs"],
  ["18.4K", 18_456, "cut"],
  ["0.83 %", 0.8256, "rounded"],
  ["1,157,064", 1_157_064, "exact"],
  ["1,157,064", 1_157_065, "differs"],
  ["≈40K", 38_400, "rounded"],
  ["≈40K", 33_000, "differs"],
  ["2.1 %", 2.1, "rounded"],
  ["40K", 40_400, "rounded"],
  ["1.50M", 1_504_999, "rounded"],
])("%s beside %f: %s", (published, computed, found) => {
  expect(agreement(published, computed)).toBe(found);
});

test("what is published has to be a number", () => {
  expect(() => agreement("many", 4)).toThrow('"many" is not a number that can be compared');
});
