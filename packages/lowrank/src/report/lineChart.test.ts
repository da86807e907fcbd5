import { expect, test } from "vitest";
import { lineChart, thinned, ticks } from "./lineChart.ts";

test("ticks are round numbers within their range", () => {
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(0.13, 0.52, 4)).toEqual([0.2, 0.3, 0.4, 0.5]);
  expect(ticks(-3, 3, 3)).toEqual([-2, 0, 2]);
  expect(ticks(1000, 1000, 5)).toEqual([1000]);
});

test("long lines are means of neighbours", () => {
  const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
  const few = thinned(points, 100);
  expect(few).toHaveLength(100);
  expect(few[0]).toEqual([4.5, 0.5]);
  expect(thinned(points.slice(0, 3), 100)).toEqual(points.slice(0, 3));
});

test("a chart draws each line inside its frame, and shows names as text", () => {
  const lines = [
    {
      label: "<training>",
      points: [
        [1, 3],
        [2, 2],
        [3, 1],
      ] as const,
    },
    { label: "validation", points: [[0, 2.5]] as const, dots: true },
  ];
  const svg = lineChart({ title: "Loss & more", over: "step", lines });
  expect(svg).toContain("Loss &amp; more");
  expect(svg).toContain("&lt;training&gt;");
  expect(svg.match(/<circle class="line1"/g)).toHaveLength(1);
  expect(svg).not.toContain("NaN");
  const [, path] = /class="line line0" d="([^"]*)"\/>/.exec(svg) ?? [];
  const heights = Array.from((path ?? "").matchAll(/ ([\d.]+)/g), ([, y]) => Number(y));
  expect(heights).toEqual(heights.toSorted((a, b) => a - b));
  for (const y of heights) expect(y > 52 && y < 220).toBe(true);
});

test("one value makes a flat line", () => {
  const svg = lineChart({
    title: "t",
    over: "x",
    lines: [
      {
        label: "t",
        points: [
          [0, 0],
          [1, 0],
        ],
      },
    ],
  });
  expect(svg).not.toMatch(/NaN|Infinity/);
});
