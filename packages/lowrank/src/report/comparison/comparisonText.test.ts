import { expect, test } from "vitest";
import { comparisonColumns, sortComparison, toCsv, toJson, toMarkdown, toText } from "./comparisonText.ts";
import type { MethodComparison, MethodRow } from "./methodComparison.ts";

const row = (name: string, trainable: number, more: Partial<MethodRow> = {}): MethodRow => ({
  ...{ name, peftType: "LORA", settings: "", rank: null, quantization: null, trainable, total: 800 + trainable },
  ...{ percent: 12.5, bytesSaved: 4 * trainable, bytesTrained: 4 * trainable, gradientBytes: 4 * trainable },
  ...{ optimizerBytes: 8 * trainable, activationBytes: 5000, baseBytes: 3200, trainingBytes: 9000, fits: null },
  ...{ flopsPerToken: 8, baseFlopsPerToken: 400, inferenceParameters: trainable, mergeable: true, warnings: [] },
  ...more,
});
const comparison: MethodComparison = {
  ...{ source: "ti|ny", modelType: "llama", baseParameters: 800, dtype: "f32", optimizer: "adamw", settings: null },
  ...{ batchSize: 2, sequenceLength: 64, memory: null },
  rows: [
    row("b", 300, { settings: 'r=4 targetModules=["a|b"]', rank: 4 }),
    row("a", 20, { mergeable: false, flopsPerToken: null, trainingBytes: null, activationBytes: null }),
    row("c", 1000, { quantization: "nf4" }),
  ],
  failed: [{ name: "d", rank: 8, quantization: "nf4", why: 'it does, "not" fit', code: "invalid_option" }],
};
const order = (key: string) =>
  sortComparison(comparison, key)
    .rows.map(({ name }) => name)
    .join("");

test("rows are sorted by numbers or by text, and rows without a value are last", () => {
  expect([order("name"), order("trainable"), order("trainingBytes"), order("quantization")]).toEqual([
    ...["abc", "abc", "bca", "cba"],
  ]);
  const wrong = (key: string, message: string) => expect(() => order(key)).toThrow(message);
  wrong("train", 'key is "train", which is no column; did you mean "trainable"? There are name, rank, quantization,');
  wrong("trainingbyte", 'did you mean "trainingBytes"? There are name, rank,');
  wrong("zzzzzz", 'key is "zzzzzz", which is no column; there are name, rank,');
  expect(comparisonColumns.slice(0, 4)).toEqual(["name", "rank", "quantization", "trainable"]);
});

test("text has a line for each row, and reasons of failures below", () => {
  const [head, , titles, ...rows] = toText(comparison).split("\n");
  expect(head).toBe("ti|ny: llama, 800 parameters in f32; optimiser adamw; a step of 2 x 64 tokens");
  expect(titles.split(/ {2,}/)).toEqual([
    ...["method", "rank", "4-bit", "trainable parameters", "trainable %", "file", "trained bytes", "gradients"],
    ...["optimiser", "base", "activations", "training memory", "inference: parameters", "FLOPs/token", "FLOPs %"],
    "mergeable",
  ]);
  expect(rows.slice(0, 3).map((line) => line.split(/ {2,}/))).toEqual([
    ["b", "4", "-", "300", "12.5", "1 kB", "1 kB", "1 kB", "2 kB", "3 kB", "5 kB", "9 kB", "300", "8", "2", "yes"],
    ["a", "-", "-", "20", "12.5", "80 B", "80 B", "80 B", "160 B", "3 kB", "-", "-", "20", "-", "-", "no"],
    [
      "c",
      "-",
      "nf4",
      "1,000",
      "12.5",
      "4 kB",
      "4 kB",
      "4 kB",
      "8 kB",
      "3 kB",
      "5 kB",
      "9 kB",
      "1,000",
      "8",
      "2",
      "yes",
    ],
  ]);
  expect(rows[4]).toBe('d (rank 8, nf4): it does, "not" fit');
});

test("the heading names the shared settings and the budget, and a budget adds a column", () => {
  const settings = { ranks: [4, 8], targets: ["all-linear", ["q", "v"], null], virtualTokens: 20 };
  const fitting = { ...comparison, settings, memory: 8e9, rows: [row("b", 3, { fits: true })] };
  const [head, , titles, line] = toText(fitting).split("\n");
  expect(head).toContain("ranks 4, 8, targets all-linear or q, v or each method's own, 20 virtual tokens, unless");
  expect(head).toContain("; memory budget 8.0 GB");
  expect([titles.includes("  fits  "), / yes {2,}3 /.test(line)]).toEqual([true, true]);
  const rows = { ...comparison, sequenceLength: 1, batchSize: 32 };
  expect(toText(rows)).toContain("; a step of 32 rows\n");
});

test("CSV has unformatted values, and a row for each failure", () => {
  const [head, b, , c, d] = toCsv(comparison).split("\n");
  expect(head.split(",").slice(-3)).toEqual(["paretoOptimal", "settings", "why"]);
  expect(b).toBe('b,4,,300,12.5,1200,1200,1200,2400,3200,5000,9000,,300,8,2,yes,,,,"r=4 targetModules=[""a|b""]",');
  expect(c.startsWith("c,,nf4,1000,")).toBe(true);
  expect(d).toBe(`d,8,nf4,${",".repeat(18)}"it does, ""not"" fit"`);
});

test("Markdown is escaped, and lists failures", () => {
  const lines = toMarkdown(comparison).split("\n");
  expect(lines[0]).toMatch(/^ti\|ny: llama, /);
  expect(lines[4]).toMatch(/^\| b \| 4 \| - \| 300 \|.*\| r=4 targetModules=\\\["a\\\|b"\\\] \|$/);
  expect(lines.at(-1)).toBe('- d (rank 8, nf4): it does, "not" fit');
  expect(toMarkdown({ ...comparison, rows: [] })).not.toContain("| method");
});

test("JSON gives the comparison back", () => {
  expect(JSON.parse(toJson(comparison))).toEqual(comparison);
});

test("quality is a column", () => {
  const quality = { metric: "exact match", mean: 0.75, deviation: 0.01, higherIsBetter: true };
  const [, , titles, line] = toText({ ...comparison, rows: [row("b", 3, { quality, paretoOptimal: true })] }).split(
    "\n",
  );
  expect(titles).toMatch(/quality {2}deviation {2}Pareto front$/);
  expect(line).toMatch(/0\.75 +0\.01 {2}yes$/);
});
