import { expect, test } from "vitest";
import { comparisonOf, rowOf } from "../../testing/comparisonOf.ts";
import { toVegaLite } from "./toVegaLite.ts";

const rows = [rowOf("LoRA"), rowOf("LoRA", { rank: 16 })];
const comparison = comparisonOf(rows);

test("memory is the default, as stacked parts that add up to the peak", () => {
  const { data } = toVegaLite(comparison);
  expect(data).toEqual(toVegaLite(comparison, { chart: "memory" }).data);
  const sums = Map.groupBy(data.values, ({ method }) => method);
  const sum = sums.get("LoRA, rank 8")?.reduce((total, { bytes }) => total + Number(bytes), 0);
  expect(sum).toBe(rows[0].trainingBytes);
});

test("an unknown chart, and quality without any, are errors with a code", () => {
  expect(() => toVegaLite(comparison, { chart: "bars" as never })).toThrow(
    expect.objectContaining({ code: "invalid_option", message: expect.stringContaining("memory, trainable, file") }),
  );
  expect(() => toVegaLite(comparisonOf([rowOf("a")]), { chart: "quality" })).toThrow("no row has a quality");
  expect(() => toVegaLite(comparison, { charts: "file" } as never)).toThrow("did you mean chart?");
});
