import type { AdapterReport } from "@lowrank/peft";
import { expect, test } from "vitest";
import { formatReport, type MethodReport, reportColumns, reportedQuantization, sortedReport } from "./methodReport.ts";
import { allMethods, defaultMethod, findMethods } from "./methods.ts";

const costs = (trainable: number, flopsPerToken: number | null, mergeable = true) => {
  const inference = { parameters: trainable, flopsPerToken, baseFlopsPerToken: 400, sequenceLength: 8 };
  const bytes = { bytesSaved: 4 * trainable, bytesTrained: 4 * trainable, optimizerBytes: 8 * trainable };
  return { trainable, percent: 12.5, ...bytes, baseBytes: 3200, mergeable, inference } as AdapterReport;
};
const row = (name: string, report: AdapterReport | null, settings = "") => ({
  ...{ name, settings, report, why: report ? null : "it does not fit" },
});
const report: MethodReport = {
  ...{ source: "tiny", modelType: "llama", base: 800, dtype: "f32", optimizer: "adamw", settings: null },
  rows: [row("b", costs(300, 8), "r=4"), row("d", null), row("a", costs(20, null, false)), row("c", costs(1000, 2))],
};
const order = (key: string | null) =>
  sortedReport(report, key)
    .rows.map(({ name }) => name)
    .join("");

test("rows are sorted by numbers or by text, and those without a value are last", () => {
  expect([order(null), order("unknown")]).toEqual(["bdac", "bdac"]);
  expect([order("method"), order("trainable"), order("inferenceFlopsPerToken")]).toEqual(["abcd", "abcd", "cbda"]);
  expect(order("mergeable")).toBe("abcd");
  expect(reportColumns.slice(0, 3)).toEqual(["method", "trainable", "percent"]);
});

test("a report is a table, Markdown, CSV, JSON or a page", () => {
  const [head, , titles, ...rows] = formatReport(report, "table").split("\n");
  expect(head).toBe("tiny: llama, 800 parameters in f32; optimiser adamw");
  expect(titles.split(/ {2,}/)).toEqual([
    ...["method", "trains", "%", "file", "in memory", "optimiser", "base", "inference: numbers", "FLOPs/token"],
    ...["% more", "merges"],
  ]);
  expect(rows.slice(0, 5).map((line) => line.split(/ {2,}/))).toEqual([
    ["b", "300", "12.5", "1 kB", "1 kB", "2 kB", "3 kB", "300", "8", "2", "yes"],
    ["a", "20", "12.5", "80 B", "80 B", "160 B", "3 kB", "20", "-", "-", "no"],
    ["c", "1,000", "12.5", "4 kB", "4 kB", "8 kB", "3 kB", "1,000", "2", "0.5", "yes"],
    [""],
    ["d: it does not fit"],
  ]);
  const csv = formatReport(report, "csv").split("\n");
  expect(csv[1]).toBe("b,r=4,300,12.5,1200,1200,2400,3200,300,8,2,yes,");
  expect(csv[2]).toBe("d,,,,,,,,,,,,it does not fit");
  expect(formatReport(report, "json")).toMatch(/^\{\n {2}"source": "tiny",\n/);
  const markdown = formatReport(
    { ...report, settings: { r: 8, targetModules: ["q"], virtualTokens: 2 } as never },
    "markdown",
  );
  expect(markdown.split("\n")[0]).toBe(
    "tiny: llama, 800 parameters in f32; optimiser adamw; rank 8, targets q, 2 virtual tokens, unless a method's settings name others",
  );
  expect(markdown.split("\n").slice(-2)).toEqual(["", "- d: it does not fit"]);
  expect(formatReport(report, "html").match(/ \(logarithmic\)<\/text>/g)).toHaveLength(4);
});

test("full fine-tuning is the first method, and LoRA the default", () => {
  const [full, lora] = allMethods();
  expect(full).toMatchObject({ name: "full", learningRate: 1e-3, usualLearningRate: 2e-4, common: true, peft: null });
  expect([lora.name, defaultMethod().name]).toEqual(["lora", "lora"]);
  expect(
    allMethods()
      .slice(0, 8)
      .map(({ name }) => name),
  ).toEqual([...["full", "lora", "qlora", "dora", "prefix", "houlsby", "ia3", "rslora"]]);
  expect(findMethods(["dora", "full"]).map(({ name }) => name)).toEqual(["dora", "full"]);
  expect(reportedQuantization).toEqual({ quantType: "nf4", doubleQuant: true });
});
