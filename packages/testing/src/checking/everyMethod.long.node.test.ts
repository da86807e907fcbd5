import { init } from "@lowrank/core";
import { peftMethods } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import type { PropertyName } from "../properties/properties.ts";
import { checkMethod } from "./checkMethod.ts";

beforeAll(() => init(wasm()));

const merging: PropertyName[] = ["mergeEqualsUnmerged", "unmergeRestoresBase", "requantizedMergeWithinBound"];

/** The properties that each method lacks for every configuration. Other methods lack only weighted sums. */
const lacking: Readonly<Record<string, PropertyName[]>> = {
  LORA: [],
  IA3: [],
  PREFIX_TUNING: [...merging, "startsAsIdentity", "mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
  PROMPT_TUNING: [...merging, "startsAsIdentity", "mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
  P_TUNING: [...merging, "startsAsIdentity", "mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
  ADAPTION_PROMPT: [...merging, "mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
  BOTTLENECK: [...merging, "startsAsIdentity", "weightedSumIsLinear"],
  VBLORA: ["startsAsIdentity", "weightedSumIsLinear"],
  LN_TUNING: ["requantizedMergeWithinBound", "weightedSumIsLinear"],
};

describe.each(Object.keys(peftMethods))("%s", (method) => {
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
