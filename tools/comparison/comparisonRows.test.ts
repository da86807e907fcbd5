import { expect, test } from "vitest";
import { type ComparedRow, groupRows, rowsTable, titleOf, withTimes } from "./comparisonRows.ts";

const row = (method: string, size: string | null, trainable: number, exactMatch: number, more = {}): ComparedRow => ({
  ...{
    method: size === null ? method : `${method}, ${size}`,
    size,
    trainable,
    exactMatch,
    exactMatchDeviation: 0.0125,
  },
  ...{ bytesSaved: 1, peakTensorBytes: 14_250_000, stepMilliseconds: 25.4, latencyMilliseconds: 3, seeds: 3 },
  ...{ mergedLatencyMilliseconds: 2.26, learningRate: 1e-3, loss: 0.2, lossDeviation: 0.01 },
  ...{ forgetting: 1.5, forgettingDeviation: 0.25, ...more },
});

const lora = row("LoRA", "r 1", 6720, 0.4);
const large = row("LoRA", "r 9", 60_480, 0.6);
const prefix = row("prefix tuning", "virtual-tokens 18", 12_000, 0.4, { loss: 0.1 });
const ia3 = row("(IA)³", null, 1344, 0.3);

test("rows are divided by the nearest budget, the best exact match and then the lowest loss first", () => {
  const groups = groupRows([lora, ia3, large, prefix], [8000, 20_000, 60_000]);
  expect(groups).toEqual([
    { budget: 8000, rows: [prefix, lora] },
    { budget: 60_000, rows: [large] },
    { budget: null, rows: [ia3] },
  ]);
});

test("times come from the rows that were measured for them", () => {
  const timed = [row("LoRA", "r 1", 6720, 0, { stepMilliseconds: 11, mergedLatencyMilliseconds: null })];
  expect(withTimes([lora], timed)).toEqual([{ ...lora, stepMilliseconds: 11, mergedLatencyMilliseconds: null }]);
  expect(() => withTimes([large], timed)).toThrow("no times were measured for LoRA, r 9");
});

test("a table has a line for each row", () => {
  expect(titleOf(prefix)).toBe("prefix tuning");
  const bare = { ...ia3, seeds: 1, exactMatch: null, forgetting: null, mergedLatencyMilliseconds: null };
  expect(rowsTable([lora, bare]).split("\n").slice(2)).toEqual([
    "| LoRA | `r 1` | 6,720 | 40.0 ±1.3 | 0.200 ±0.010 | 1.50 ±0.25 | 14.3 MB | 25 | 2.3 |",
    "| (IA)³ | - | 1,344 | - | 0.200 | - | 14.3 MB | 25 | - |",
  ]);
});
