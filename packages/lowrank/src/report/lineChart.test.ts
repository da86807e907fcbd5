import { expect, test } from "vitest";
import { lineChart, thinned } from "./lineChart.ts";

const chart = (points: [number, number][], logarithmic = {}) =>
  lineChart({ title: "t", xTitle: "x", lines: [{ name: "<a>", group: "g", points }], logarithmic, show: String });
const path = (svg: string) => /class="line c0" d="([^"]*)"/.exec(svg)?.[1];

test("a line goes from end to end of its axes", () => {
  expect(
    path(
      chart([
        [0, 5],
        [5, 10],
        [10, 0],
      ]),
    ),
  ).toBe("M56.0 157.0L343.0 34.0L630.0 280.0");
});

test("or by logarithms, where zeros are left out", () => {
  const svg = chart(
    [
      [1, 1],
      [10, 0],
      [10, 10],
      [100, 100],
    ],
    { x: true, y: true },
  );
  expect(path(svg)).toBe("M56.0 280.0L343.0 157.0L630.0 34.0");
  expect(svg).toContain(">100</text>");
});

test("names are text, and nothing measured is an empty chart", () => {
  expect(chart([[1, 2]])).toContain("<title>&lt;a&gt;</title>");
  expect(path(chart([], { x: true, y: true }))).toBe("");
});

test("dots stand at the points of a line that asks for them", () => {
  const points = [
    [0, 1],
    [1, 2],
  ] as const;
  const lines = [{ name: "a", group: "a", points, dots: true }];
  const svg = lineChart({ title: "t", xTitle: "x", lines, show: String });
  expect(svg.match(/<circle class="line c0"/g)).toHaveLength(2);
});

test("long lines are means of neighbours", () => {
  const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
  const few = thinned(points, 100);
  expect(few).toHaveLength(100);
  expect(few[0]).toEqual([4.5, 0.5]);
  expect(few[99]).toEqual([994.5, 0.5]);
  expect(thinned(points.slice(0, 3), 100)).toEqual(points.slice(0, 3));
  expect(thinned([], 100)).toEqual([]);
});
