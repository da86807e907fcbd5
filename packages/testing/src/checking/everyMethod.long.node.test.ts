import { init } from "@lowrank/core";
import { peftMethods } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import type { PropertyName } from "../properties/properties.ts";
import { checkMethod } from "./checkMethod.ts";

beforeAll(() => init(wasm()));

const merging: PropertyName[] = ["mergeEqualsUnmerged", "unmergeRestoresBase", "requantizedMergeWithinBound"];

/** Properties of methods with neither weighted sums, nor a rank that sets sizes, nor alpha. */
const neither: PropertyName[] = ["weightedSumIsLinear", "configIsApplied"];
const prompt: PropertyName[] = [...merging, "startsAsIdentity", "mixedBatchEqualsSingleRows", ...neither];

/** The properties that each method lacks for every configuration. Other methods lack only weighted sums. */
const lacking: Readonly<Record<string, PropertyName[]>> = {
  LORA: [],
  IA3: ["configIsApplied"],
  PREFIX_TUNING: prompt,
  PROMPT_TUNING: prompt,
  P_TUNING: prompt,
  MULTITASK_PROMPT_TUNING: prompt,
  CARTRIDGE: prompt,
  CPT: [...prompt, "gradientsMatchDifferences"],
  ADAPTION_PROMPT: [...merging, "mixedBatchEqualsSingleRows", ...neither],
  BOTTLENECK: [...merging, "startsAsIdentity", ...neither],
  VBLORA: ["startsAsIdentity", "weightedSumIsLinear"],
  TINYLORA: ["requantizedMergeWithinBound", ...neither],
  UNILORA: ["startsAsIdentity", ...neither],
  LILY: [...merging, "mixedBatchEqualsSingleRows", "rowsAreIndependent", "weightedSumIsLinear"],
  POLY: [...merging, "weightedSumIsLinear"],
  SHADOW: [...merging, "onlyAdaptersGetGradients", "mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
  BEFT: [...merging, ...neither],
  TRAINABLE_TOKENS: ["requantizedMergeWithinBound", ...neither],
  LN_TUNING: ["requantizedMergeWithinBound", ...neither],
  BITFIT: neither,
  C3A: neither,
  BOFT: neither,
  FOURIERFT: neither,
  OFT: neither,
  ROAD: neither,
  OSF: ["requantizedMergeWithinBound", "gradientsMatchDifferences", ...neither],
  FROD: ["requantizedMergeWithinBound", ...neither],
  ADAMSS: ["requantizedMergeWithinBound", "weightedSumIsLinear"],
  PSOFT: ["requantizedMergeWithinBound", "weightedSumIsLinear"],
  WAVEFT: neither,
};

/** Needs saved adapters, which are not drawn. Its checks are in xlora.test.ts of peft. */
const undrawn = "XLORA";

test("a method of saved adapters skips all properties, with the reason", async () => {
  const { skipped, passed } = await checkMethod(undrawn);
  expect(passed).toEqual([]);
  expect(new Set(skipped.map(({ reason }) => reason))).toEqual(
    new Set(["it mixes saved adapters, which cannot be drawn; give a configuration with adapters"]),
  );
});

describe.each(Object.keys(peftMethods).filter((name) => name !== undrawn))("%s", (method) => {
  test.each([0, 1])("has all properties but those listed, with seed %d", async (seed) => {
    const { skipped, passed } = await checkMethod(method, { runs: 6, seed });
    const expected = lacking[method] ?? ["weightedSumIsLinear"];
    expect(skipped.map(({ property }) => property).sort()).toEqual([...expected].sort());
    for (const { cases } of passed) expect(cases).toBe(6);
  });

  test("has them on the fixed cases, without fast-check", async () => {
    const { passed } = await checkMethod(method, { runs: 6, fixed: true });
    expect(passed.map(({ property }) => property)).toContain("savesAndLoads");
  });
});
