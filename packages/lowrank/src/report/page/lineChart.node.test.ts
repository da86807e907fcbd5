import { describe, expect, test } from "vitest";
import { chartWidth, textWidth } from "./chartText.ts";
import { type ChartPoint, type LineChart, lineChart, tickText } from "./lineChart.ts";
import { smoothed, thinned } from "./smoothed.ts";

const chart = (points: readonly ChartPoint[], more: Partial<LineChart> = {}) =>
  lineChart({ title: "t", xTitle: "step", lines: [{ name: "<a>", group: "g", points }], ...more });
const all = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map((found) => found.slice(1));
const corners = (svg: string) =>
  all(/class="line c0" d="([^"]*)"/.exec(svg)?.[1] ?? "", /[ML]([\d.]+) ([\d.]+)/g).map((found) => found.map(Number));
const yTexts = (svg: string) => all(svg, /class="tick end" x="([\d.]+)" y="[\d.]+">([^<]*)</g);
const xTexts = (svg: string) =>
  all(svg, /class="tick middle" x="([\d.]+)" y="227">([^<]*)</g).map(([x, text]) => [Number(x), text] as const);

test("a line goes through its points on linear axes, which end at round values", () => {
  const svg = chart([
    [0, 0.02],
    [5, 0.5],
    [10, 0.98],
  ]);
  const [first, middle, last] = corners(svg);
  expect(middle[0]).toBeCloseTo((first[0] + last[0]) / 2, 0);
  expect(middle[1]).toBeCloseTo((first[1] + last[1]) / 2, 0);
  expect(yTexts(svg).map(([, text]) => text)).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1"]);
  expect(xTexts(svg).map(([, text]) => text)).toEqual(["0", "2", "4", "6", "8", "10"]);
  expect(svg).toContain("<title>&lt;a&gt;</title>");
});

test.each([
  [1.5e-4, "1.5e-4"],
  [5e-8, "5e-8"],
  [0.003, "0.003"],
  [123_456, "120K"],
  [7876.5, "8,000"],
  [2.5e12, "2.5T"],
])("the label of a tick is whole, at an axis up to %d", (most, text) => {
  const svg = chart([
    [0, 0],
    [1e6, most],
  ]);
  const labels = yTexts(svg);
  expect(labels.map((found) => found[1])).toContain(text);
  for (const [x, label] of labels) expect(Number(x) - textWidth(label)).toBeGreaterThanOrEqual(0);
  let free = 0;
  for (const [x, label] of xTexts(svg)) {
    expect(x - textWidth(label) / 2).toBeGreaterThanOrEqual(free);
    free = x + textWidth(label) / 2;
  }
  expect(free).toBeLessThanOrEqual(chartWidth);
});

test("logarithmic axes leave out zeros, and have 1, 2, 5 or powers of ten as ticks", () => {
  const points = [
    [1, 1],
    [10, 0],
    [10, 10],
    [100, 100],
  ] as const;
  const svg = chart(points, { logarithmic: { x: true, y: true } });
  const [first, middle, last, ...more] = corners(svg);
  expect(more).toEqual([]);
  expect(middle[0] - first[0]).toBeCloseTo(last[0] - middle[0], 0);
  expect(xTexts(svg).map(([, text]) => text)).toEqual(["1", "10", "100"]);
  const short = chart(
    [
      [1, 0.05],
      [2, 0.6],
    ],
    { logarithmic: { y: true } },
  );
  expect(yTexts(short).map(([, text]) => text)).toEqual(["0.05", "0.1", "0.2", "0.5"]);
});

test("an axis can start at 0 or have its own range, at whose lower end lower points are", () => {
  const points = [
    [0, 900],
    [1, 1000],
  ] as const;
  expect(yTexts(chart(points)).map(([, text]) => text)[0]).toBe("900");
  expect(yTexts(chart(points, { fromZero: true })).map(([, text]) => text)[0]).toBe("0");
  const [[, low], [, high]] = corners(
    chart(
      [
        [0, -5],
        [1, 1],
      ],
      { yRange: [0, 1] },
    ),
  );
  expect([low, high]).toEqual([210, 10]);
});

test("no points and one point are drawn", () => {
  expect(corners(chart([]))).toEqual([]);
  expect(corners(chart([], { logarithmic: { x: true, y: true } }))).toEqual([]);
  expect(corners(chart([[5, 7]]))).toHaveLength(1);
  expect(corners(chart([[5, 0]]))).toHaveLength(1);
});

test("lines of a group share a colour and a legend entry; faint lines are behind, dots in the legend are round", () => {
  const points = [
    [0, 1],
    [1, 2],
  ] as const;
  const lines = [
    { name: "smoothed", group: "<training>", points },
    { name: "each step", group: "<training>", points, faint: true },
    { name: "validation", group: "validation", points, dots: true },
  ];
  const svg = chart([], { lines });
  expect(all(svg, /<path class="line ([^"]*)"/g)).toEqual([["faint c0"], ["c0"], ["c1"]]);
  expect(all(svg, /<circle class="hollow (c\d)"/g)).toEqual([["c1"], ["c1"]]);
  expect(all(svg, /<li><span class="([^"]*)"><\/span>([^<]*)</g)).toEqual([
    ["c0", "&lt;training&gt;"],
    ["c1 dot", "validation"],
  ]);
  expect(chart(points)).not.toContain("legend");
});

test("ticks of an axis have the same form", () => {
  expect([0, 5e-5, 1e-4].map((value) => tickText(value, 1e-4))).toEqual(["0", "5e-5", "1e-4"]);
  expect([0.0005, 0.001].map((value) => tickText(value, 0.001))).toEqual(["0.0005", "0.001"]);
  expect([2000, 14_000].map((value) => tickText(value, 14_000))).toEqual(["2K", "14K"]);
});

describe("points", () => {
  test("long lines are means of neighbours", () => {
    const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
    const few = thinned(points, 100);
    expect(few).toHaveLength(100);
    expect(few[0]).toEqual([4.5, 0.5]);
    expect(few[99]).toEqual([994.5, 0.5]);
    expect(thinned(points.slice(0, 3), 100)).toEqual(points.slice(0, 3));
    expect(thinned([], 100)).toEqual([]);
  });

  test("a smoothed line is the moving average without the bias towards 0", () => {
    const flat = smoothed([
      [1, 3],
      [2, 3],
      [4, 3],
    ]);
    for (const [i, [x, y]] of flat.entries()) expect([x, y]).toEqual([[1, 2, 4][i], expect.closeTo(3, 12)]);
    const [first, second, third] = smoothed(
      [
        [0, 1],
        [1, 0],
        [2, 0],
      ],
      0.5,
    );
    expect([first[1], second[1], third[1]]).toEqual([1, expect.closeTo(1 / 3, 12), expect.closeTo(1 / 7, 12)]);
  });
});
