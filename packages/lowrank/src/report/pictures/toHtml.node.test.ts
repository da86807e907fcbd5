import { expect, test } from "vitest";
import { comparisonOf, rowOf } from "../../testing/comparisonOf.ts";
import type { MethodRow } from "../comparison/methodComparison.ts";
import { memoryOf } from "./memoryParts.ts";
import { qualityPoints } from "./qualityPoints.ts";
import { rowLabels } from "./rowLabels.ts";
import { toHtml } from "./toHtml.ts";

const full = rowOf("full fine-tuning", {
  ...{ peftType: null, rank: null, settings: "", trainable: 100_000, bytesTrained: 400_000, gradientBytes: 400_000 },
  ...{ optimizerBytes: 800_000, trainingBytes: 1_650_000, flopsPerToken: 0 },
});
const lora = rowOf("LoRA");
const qlora = rowOf("QLoRA (NF4)", { quantization: "nf4", baseBytes: 60_000, trainingBytes: 116_000 });
const figures = (html: string): Record<string, string> =>
  Object.fromEntries(
    html
      .split("<figure ")
      .slice(1)
      .map((part) => [/<strong>([^<]*)</.exec(part)?.[1], part.split("</figure>")[0]]),
  );

test("the first chart is the memory to train in parts, in which QLoRA needs less than LoRA", () => {
  const charts = figures(toHtml(comparisonOf([full, lora, qlora])));
  expect(Object.keys(charts)).toEqual([
    "Memory to train",
    "Trainable parameters (logarithmic)",
    "Size of the saved file (logarithmic)",
    "Additional FLOPs per token, unmerged (logarithmic)",
  ]);
  const memory = charts["Memory to train"];
  const ends = (name: string) =>
    [
      ...memory.matchAll(/<rect class="c\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="16"><title>([^<]*)</g),
    ].flatMap(([, x, width, title]) => (title.startsWith(name) ? [Number(x) + Number(width)] : []));
  expect(ends("LoRA").length).toBe(5);
  expect(ends("full").length).toBe(4);
  expect(Math.max(...ends("QLoRA"))).toBeLessThan(Math.max(...ends("LoRA")));
  for (const text of ["1.6 MB", "456 kB", "116 kB"]) expect(memory).toContain(`>${text}</text>`);
  for (const chart of Object.values(charts)) {
    for (const { name } of [full, lora, qlora]) expect(chart).toContain(`>${name}</text>`);
  }
});

test("the parts of the memory add up to its peak", () => {
  expect(memoryOf(lora)).toEqual([400_000, 4000, 4000, 8000, 40_000]);
  expect(memoryOf(full)).toEqual([400_000, 0, 400_000, 800_000, 50_000]);
  expect(memoryOf(rowOf("a", { trainingBytes: null }))).toBeNull();
});

test("charts without values are left out", () => {
  const own = rowOf("mine", { trainingBytes: null, activationBytes: null, flopsPerToken: null });
  expect(Object.keys(figures(toHtml(comparisonOf([own]))))).toEqual([
    ...["Trainable parameters (logarithmic)", "Size of the saved file (logarithmic)"],
  ]);
  const failed = [{ name: "OFT", rank: null, quantization: null, why: "it needs <linear> layers" }];
  expect(toHtml(comparisonOf([], { failed }))).toContain("<li>OFT: it needs &lt;linear&gt; layers</li>");
});

test("a memory budget is a line with a label in the chart of memory, behind the texts of bars", () => {
  const svg = figures(toHtml(comparisonOf([lora, qlora], { memory: 7e5 })))["Memory to train"];
  expect(svg).toMatch(/<text class="middle" x="[\d.]+" y="12">budget 700 kB<\/text>/);
  const line = svg.indexOf("stroke-dasharray");
  for (const text of ["456 kB", "116 kB"]) expect(svg.indexOf(`>${text}<`)).toBeGreaterThan(line);
  expect(svg.lastIndexOf("<rect")).toBeLessThan(line);
  expect(toHtml(comparisonOf([lora]))).toMatch(/\.chart text \{[^}]*paint-order: stroke;/);
  expect(toHtml(comparisonOf([lora], { memory: 2e6 }))).toContain("<title>memory budget: 2.0 MB</title>");
  expect(toHtml(comparisonOf([lora]))).not.toContain("memory budget");
});

test("rows of one name have their rank, targets or quantisation as labels", () => {
  const rank = (r: number, quantization: "nf4" | null = null) => rowOf("LoRA", { rank: r, quantization });
  expect(rowLabels([rank(4), rank(8)])).toEqual(["LoRA, rank 4", "LoRA, rank 8"]);
  expect(rowLabels([rank(4), rank(4, "nf4")])).toEqual(["LoRA", "LoRA, nf4"]);
  expect(rowLabels([rank(4), rank(8), rank(8, "nf4")])[2]).toBe("LoRA, rank 8, nf4");
  const aimed = (targets: MethodRow["targets"], r = 4) => rowOf("LoRA", { rank: r, targets });
  expect(rowLabels([aimed(["q_proj", "v_proj"]), aimed("all-linear")])).toEqual([
    ...["LoRA, q_proj, v_proj", "LoRA, all-linear"],
  ]);
  expect(rowLabels([aimed(["q_proj"]), aimed("all-linear"), aimed(["q_proj"], 8)])).toEqual([
    ...["LoRA, rank 4, q_proj", "LoRA, rank 4, all-linear", "LoRA, rank 8, q_proj"],
  ]);
  expect(rowLabels([rank(4), rank(4)])).toEqual(["1. LoRA, rank 4", "2. LoRA, rank 4"]);
});

const quality = (mean: number, metric = "exact match", deviation = 0) => ({
  quality: { metric, mean, deviation, higherIsBetter: !metric.includes("loss") },
});
const trained = [
  rowOf("(IA)³", { trainable: 100, ...quality(0.4) }),
  rowOf("LoRA", { trainable: 1000, ...quality(0.7, "exact match", 0.05) }),
  rowOf("DoRA", { trainable: 1100, ...quality(0.65) }),
  rowOf("full", { trainable: 90_000, ...quality(0.8) }),
];

test("the Pareto front has the rows that no smaller row equals or beats", () => {
  const pointsOf = (rows: typeof trained) => qualityPoints(rows.map((row) => ({ ...row, label: row.name })));
  const front = (rows = trained) => pointsOf(rows).points.flatMap(({ method, front }) => (front ? [method] : []));
  expect(front()).toEqual(["(IA)³", "LoRA", "full"]);
  const losses = trained.map((row) => ({ ...row, ...quality(1 - (row.quality?.mean ?? 0), "validation loss") }));
  expect(front(losses)).toEqual(["(IA)³", "LoRA", "full"]);
  expect(front([rowOf("a", { trainable: 5, ...quality(1) }), rowOf("b", { trainable: 6, ...quality(1) })])).toEqual([
    "a",
  ]);
  expect(pointsOf([lora])).toEqual({ metric: null, lowerIsBetter: false, points: [] });
});

test("rows with a quality have a chart with each method's name, and the front filled and joined", () => {
  const chart = figures(toHtml(comparisonOf(trained)))["Quality: exact match, higher is better"];
  for (const { name } of trained)
    expect(chart).toMatch(new RegExp(`<text x="[\\d.]+" y="[\\d.]+">${name.replace(/[()]/g, "\\$&")}</text>`));
  expect([...chart.matchAll(/<circle class="(hollow )?c0"/g)].map(([, hollow]) => hollow === undefined)).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(/class="line front c0" d="([^"]*)"/.exec(chart)?.[1].match(/[ML]/g)).toHaveLength(3);
  expect(chart.match(/class="whisker"/g)).toHaveLength(1);
});

test("names, settings and errors of others are text in the page", () => {
  const hostile = `</title><script>alert("1")</script><img src=x onerror=alert(1)>`;
  const row = rowOf(hostile, { settings: hostile, ...quality(1, hostile) });
  const failed = [{ name: hostile, rank: null, quantization: null, why: hostile }];
  const html = toHtml(comparisonOf([row, rowOf("b")], { source: hostile, modelType: hostile, failed }));
  expect(html).not.toContain("<img");
  expect(html.match(/<script/g)).toHaveLength(1);
  expect(html.match(/<\/title>/g)?.length).toBe(html.match(/<title>/g)?.length);
});

test("the page loads nothing", () => {
  expect(toHtml(comparisonOf([full, ...trained]))).not.toMatch(/(?:src|href)=|https?:\/\/|@import|url\(/);
});
