import { describe, expect, test } from "vitest";
import { JsonFields } from "../../config/jsonFields.ts";
import { inverseFrequencies, ropePositions } from "../rope.ts";
import { readRope, ropeReach, ropeToHf } from "../ropeConfig.ts";
import tables from "./pythonFrequencies.gen.json" with { type: "json" };
import { ropeKindOf } from "./ropeKinds.ts";

const read = (parameters: object, maxPositionEmbeddings = 256, headDim = 8) =>
  readRope(new JsonFields({ rope_parameters: parameters }, "c"), { headDim, maxPositionEmbeddings });

// conformance/python/rope_table.py writes the table with transformers 5.24.
test.each(tables)("$parameters for $length tokens: transformers' frequencies", (table) => {
  const config = read(table.parameters);
  const found = inverseFrequencies(config, 8, table.length);
  expect(found.length).toBe(4);
  for (const [i, f] of table.frequencies.entries()) {
    if (f === 0) expect(found[i]).toBe(0);
    else expect(Math.abs(found[i] / f - 1), `frequency ${i}`).toBeLessThan(2.4e-7);
  }
  const { scaling } = config;
  expect((scaling && ropeKindOf(scaling).attentionFactor?.(scaling)) ?? 1).toBeCloseTo(table.attention, 12);
  const again = readRope(new JsonFields(ropeToHf(config), "c"), { headDim: 8, maxPositionEmbeddings: 256 });
  expect(again).toEqual(config);
});

describe("settings", () => {
  const longrope = { rope_type: "longrope", short_factor: [1, 1, 1, 1], long_factor: [2, 2, 2, 2] };
  const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };

  test("defaults are those of transformers", () => {
    const original = { original_max_position_embeddings: 64 };
    expect(read({ rope_type: "yarn", ...original })).toMatchObject({
      theta: 10000,
      partialRotaryFactor: 1,
      scaling: {
        ...{ type: "yarn", factor: 4, betaFast: 32, betaSlow: 1, truncate: true },
        originalMaxPositionEmbeddings: 64,
      },
    });
    expect(read({ rope_type: "yarn" }).scaling).toMatchObject({
      factor: 1,
      attentionFactor: 1,
      originalMaxPositionEmbeddings: 256,
    });
    expect(read(longrope).scaling).toMatchObject({ attentionFactor: 1, originalMaxPositionEmbeddings: 256 });
    expect(read({ ...longrope, original_max_position_embeddings: 512 }).scaling).toMatchObject({ attentionFactor: 1 });
    expect(read({ ...longrope, ...original }).scaling).toMatchObject({
      attentionFactor: expect.closeTo(Math.sqrt(1 + 2 / 6), 12),
    });
    expect(read({ rope_type: "proportional" })).toMatchObject({
      partialRotaryFactor: 1,
      scaling: { type: "proportional", factor: 1, partialRotaryFactor: 1 },
    });
    expect(read(llama3).scaling).toMatchObject({ originalMaxPositionEmbeddings: 256 });
  });

  test.each<[string, object, string | null]>([
    ["a factor of 1", { rope_type: "linear", factor: 1 }, null],
    ["a factor below 1", { rope_type: "linear", factor: 0.99 }, "factor is 0.99; expected a number of at least 1"],
    ["no factor", { rope_type: "dynamic" }, "factor is missing"],
    ["llama3's factors", llama3, null],
    [
      "equal factors of llama3",
      { ...llama3, high_freq_factor: 1 },
      "high_freq_factor is 1; expected more than low_freq_factor 1",
    ],
    ["three short factors", { ...longrope, short_factor: [1, 1, 1] }, "expected a list of 4 positive numbers"],
    ["five long factors", { ...longrope, long_factor: [1, 1, 1, 1, 1] }, "expected a list of 4 positive numbers"],
    ["a long factor of 0", { ...longrope, long_factor: [1, 0, 1, 1] }, "expected a list of 4 positive numbers"],
    ["a text for a factor", { ...longrope, long_factor: [1, "1", 1, 1] }, "expected a list of 4 positive numbers"],
    ["factors that are no list", { ...longrope, long_factor: 4 }, "expected a list of 4 positive numbers"],
    ["no turning pair", { rope_type: "proportional", partial_rotary_factor: 0 }, null],
    ["all turning pairs", { rope_type: "proportional", partial_rotary_factor: 1 }, null],
    ["a part below 0", { rope_type: "proportional", partial_rotary_factor: -0.1 }, "expected a number from 0 to 1"],
    ["a part above 1", { rope_type: "proportional", partial_rotary_factor: 1.1 }, "expected a number from 0 to 1"],
    ["a quarter of the head", { partial_rotary_factor: 0.25 }, null],
    [
      "an odd part of the head",
      { partial_rotary_factor: 0.375 },
      "and an even number of the head's 8 numbers; these are 3",
    ],
    ["less than a pair", { partial_rotary_factor: 0.1 }, "these are 0"],
    ["more than the head", { partial_rotary_factor: 1.25 }, "expected at most 1"],
  ])("%s", (_, parameters, message) => {
    if (message === null) expect(() => read(parameters)).not.toThrow();
    else expect(() => read(parameters)).toThrow(message);
  });

  test("linear scaling divides positions", () => {
    expect(read({ rope_type: "linear", factor: 2 }).scaling).toEqual({ type: "linear", factor: 2 });
  });

  test("a dynamic scaling reaches factor times the positions", () => {
    const dynamic = read({ rope_type: "dynamic", factor: 2.5 }, 33);
    expect(ropeReach(dynamic, 33)).toBe(82);
    expect(ropeReach(read({ rope_type: "linear", factor: 4 }), 33)).toBe(33);
    expect(ropeReach(read({}), 1)).toBe(1);
    expect(ropeReach(dynamic, 100)).toBe(100);
  });

  test("texts of a length share frequencies up to the original length", () => {
    const long = read({ ...longrope, original_max_position_embeddings: 64 });
    expect(ropePositions(long, 64)).toEqual({ sharedPositions: 64, cachedPositions: 64 });
    expect(ropePositions(long, 65)).toEqual({ sharedPositions: 64, cachedPositions: 64 });
    const dynamic = read({ rope_type: "dynamic", factor: 2 }, 10);
    expect(ropePositions(dynamic, 10)).toEqual({ sharedPositions: 10, cachedPositions: 10 });
    expect(ropePositions(dynamic, 11)).toEqual({ sharedPositions: 10, cachedPositions: 11 });
    for (const parameters of [llama3, { rope_type: "linear", factor: 2 }, { rope_type: "yarn" }]) {
      expect(ropePositions(read(parameters), 999)).toEqual({ sharedPositions: 999, cachedPositions: 999 });
    }
  });
});
