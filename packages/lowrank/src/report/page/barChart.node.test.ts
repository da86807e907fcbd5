import { expect, test } from "vitest";
import { type BarChart, barChart } from "./barChart.ts";
import { chartWidth, textWidth } from "./chartText.ts";

const draw = (bars: BarChart["bars"], more: Partial<BarChart> = {}) =>
  barChart({ title: "t & u", bars, show: (value) => `${value} B`, ...more });
const bar = (label: string, value: number | null | number[], spread?: number) => ({ label, value, spread });
const all = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map((found) => found.slice(1));
const rects = (svg: string) =>
  all(svg, /<rect class="c(\d)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g).map((found) => found.map(Number));
const texts = (svg: string) =>
  all(svg, /<text(?: class="([^"]*)")? x="([\d.]+)" y="([\d.]+)">([^<]*)</g).map(([kind = "", x, y, text]) => {
    const [from, width] = [Number(x), textWidth(text)];
    const left = from - (kind.includes("end") ? width : kind.includes("middle") ? width / 2 : 0);
    return { left, right: left + width, y: Number(y), text };
  });
const heightOf = (svg: string) => Number(/viewBox="0 0 480 ([\d.]+)"/.exec(svg)?.[1]);

test("bars are as long as their values", () => {
  const [[, x, , half], [, , , whole], [, , , none]] = rects(draw([bar("a", 50), bar("b", 100), bar("c", 0)]));
  expect(half).toBeCloseTo(whole / 2, 0);
  expect(none).toBe(0);
  expect(x + whole).toBeLessThan(chartWidth);
});

test("stacked bars have a part for each value above 0, one after the other, with a legend and the sum", () => {
  const parts = ["base", "adapter", "rest"].map((name, i) => ({ name, colour: i + 2 }));
  const svg = draw([bar("full", [60, 0, 40]), bar("LoRA", [30, 10, 10])], { parts });
  const [base, rest, first, second, third] = rects(svg);
  expect([base[0], rest[0], first[0], second[0], third[0]]).toEqual([2, 4, 2, 3, 4]);
  expect(first[1] + first[3]).toBeCloseTo(second[1], 0);
  expect(second[1] + second[3]).toBeCloseTo(third[1], 0);
  expect(third[1] + third[3] - first[1]).toBeCloseTo((rest[1] + rest[3] - base[1]) / 2, 0);
  expect(svg).toContain("<title>LoRA, adapter: 10 B</title>");
  expect(all(svg, /<li><span class="c(\d)"><\/span>([^<]*)</g)).toEqual([
    ["2", "base"],
    ["3", "adapter"],
    ["4", "rest"],
  ]);
  expect(texts(svg).map(({ text }) => text)).toEqual(expect.arrayContaining(["100 B", "50 B"]));
});

test("error bars end at the mean plus and minus the deviation, and inside of the chart", () => {
  const svg = draw([bar("a", 75, 25), bar("b", 50)]);
  const [[from, to]] = all(svg, /class="whisker" d="M([\d.]+) \d+H([\d.]+)M/g).map((found) => found.map(Number));
  const [[, x, , long], [, , , short]] = rects(svg);
  expect(to - (x + long)).toBeCloseTo(x + long - from, 0);
  expect((to - x) / short).toBeCloseTo(2, 1);
});

test("a logarithmic chart has a dot for each value above 0, and decades as ticks", () => {
  const svg = draw([bar("a", 1), bar("b", 10), bar("c", 100), bar("d", 0)], { logarithmic: true });
  const [a, b, c, ...more] = all(svg, /<circle class="c0" cx="([\d.]+)"/g).map(Number);
  expect(b - a).toBeCloseTo(c - b, 0);
  expect(more).toEqual([]);
  expect(texts(svg).filter(({ text }) => ["1 B", "10 B", "100 B"].includes(text))).toHaveLength(6);
});

test.each([5, 100, 4000])(
  "the label of a marked value is inside of the chart and clear of other texts: %d",
  (value) => {
    const mark = { value, name: "memory budget", label: "budget 8.0 GB" };
    const found = texts(draw([bar("a", 100), bar("b", 60)], { mark }));
    const label = found.find(({ text }) => text === mark.label);
    expect(label?.left).toBeGreaterThanOrEqual(-0.1);
    expect(label?.right).toBeLessThanOrEqual(chartWidth + 0.1);
    for (const { text, y } of found) {
      if (text !== mark.label) expect(y - (label?.y ?? 0)).toBeGreaterThanOrEqual(12);
    }
  },
);

test("values that were not measured are named, and a chart of nothing has no bars", () => {
  expect(texts(draw([bar("a", null), bar("b", 2)])).map(({ text }) => text)).toContain("not measured");
  expect(rects(draw([bar("a", null)]))).toEqual([]);
  expect(rects(draw([]))).toEqual([]);
});

test.each<[string, BarChart["bars"], boolean]>([
  ["short labels", [bar("a", 1), bar("b", 123_456_789)], false],
  ["long labels", [bar("adapters of Houlsby and others, on each layer", 5), bar("b", 1)], false],
  ["a label longer than the chart", [bar("x".repeat(200), 5), bar("word ".repeat(60), 1)], true],
  ["wide letters", [bar("W".repeat(40), 1), bar("適応".repeat(30), 1000)], true],
  ["error bars", [bar("a", 99, 50), bar("b", 1, 1)], false],
])("each text is inside of the chart, and none overlaps another: %s", (_, bars, logarithmic) => {
  const svg = draw(bars, { logarithmic });
  const found = texts(svg);
  for (const { left, right, y } of found) {
    expect(left).toBeGreaterThanOrEqual(-0.1);
    expect(right).toBeLessThanOrEqual(chartWidth + 0.1);
    expect(y).toBeLessThanOrEqual(heightOf(svg));
  }
  for (const one of found) {
    for (const other of found) {
      const apart = Math.abs(one.y - other.y) >= 12 || one.right <= other.left || other.right <= one.left;
      expect(one === other || apart, `${one.text} and ${other.text}`).toBe(true);
    }
  }
  const drawn = found.map(({ text }) => text).join("");
  for (const { label } of bars) expect(drawn.replaceAll(" ", "")).toContain(label.replaceAll(" ", ""));
});

test("names are escaped", () => {
  const hostile = `</svg><script>alert("1")</script>`;
  const parts = [{ name: hostile, colour: 0 }];
  const svg = draw([bar(hostile, [1])], { title: hostile, caption: hostile, parts });
  expect(svg).not.toContain("<script");
  expect(svg).not.toContain('alert("1")');
});
