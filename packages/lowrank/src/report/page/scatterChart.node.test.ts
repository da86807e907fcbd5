import { expect, test } from "vitest";
import { textWidth } from "./chartText.ts";
import { scatterChart } from "./scatterChart.ts";

type Points = Parameters<typeof scatterChart>[0]["points"];

const all = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map((found) => found.slice(1));

/** Returns the dots, error bars and one-line labels of a chart, in its units. */
function drawn(points: Points) {
  const svg = scatterChart({ title: "quality", xTitle: "parameters", points });
  const dots = all(svg, /<circle class="[^"]*" cx="([\d.]+)" cy="([\d.]+)"/g).map(([x, y]) => [Number(x), Number(y)]);
  const whiskers = all(svg, /class="whisker" d="M([\d.]+) ([\d.]+)V([\d.]+)"/g).map((found) => found.map(Number));
  const labels = all(svg, /<text x="([\d.]+)" y="([\d.]+)">([^<]*)</g).map(([x, y, text]) => {
    return { text, left: Number(x), right: Number(x) + textWidth(text), top: Number(y) - 12, bottom: Number(y) + 3 };
  });
  return { dots, whiskers, labels };
}

const point = (label: string, x: number, y: number, spread = 0) => ({ label, x, y, spread, front: false });

const cases: [string, Points][] = [
  [
    "the largest method at the right end",
    [point("full fine-tuning", 1e6, 0.2, 0.05), point("LoRA", 6e5, 0.3, 0.1), point("DoRA", 6.2e5, 0.22, 0.08)],
  ],
  ["points above each other", [0.1, 0.2, 0.3, 0.4].map((y, i) => point(`method ${i}`, 1000, y, 0.06))],
  [
    "ranks of two methods",
    [1, 2, 4, 8, 16].flatMap((r) => [
      point(`LoRA, rank ${r}`, 1000 * r, 0.5 + 0.02 * r, 0.04),
      point(`DoRA, rank ${r}`, 1100 * r, 0.52 + 0.02 * r, 0.05),
    ]),
  ],
];

test.each(cases)("labels are clear of dots, error bars and each other: %s", (_, points) => {
  const { dots, whiskers, labels } = drawn(points);
  expect([dots.length, whiskers.length, labels.length]).toEqual([points.length, points.length, points.length]);
  for (const one of labels) {
    for (const [x, y] of dots) {
      const apart = x + 5 <= one.left || x - 5 >= one.right || y + 5 <= one.top || y - 5 >= one.bottom;
      expect(apart, `${one.text} and the dot at ${x}, ${y}`).toBe(true);
    }
    for (const [x, from, to] of whiskers) {
      const apart =
        x <= one.left || x >= one.right || Math.max(from, to) <= one.top || Math.min(from, to) >= one.bottom;
      expect(apart, `${one.text} and the error bar at ${x}`).toBe(true);
    }
    for (const other of labels) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      expect(one === other || across <= 0.2 || down <= 0.2, `${one.text} and ${other.text}`).toBe(true);
    }
  }
});

test("a line joins a label that is far away with its dot, and no other label", () => {
  const crowd = [
    ...[point("full fine-tuning", 1e6, 0.8, 0.05), point("LoRA, q_proj, v_proj", 6e5, 0.78, 0.06)],
    ...[point("LoRA, all-linear", 7e5, 0.82, 0.06), point("DoRA", 1e5, 0.75, 0.03), point("IA3", 1e4, 0.5, 0.03)],
  ];
  const svg = scatterChart({ title: "quality", xTitle: "parameters", points: crowd });
  const [[fromX, fromY, toX, toY], ...others] = all(
    svg,
    /class="leader" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/g,
  ).map((found) => found.map(Number));
  expect(others).toEqual([]);
  const { dots, labels } = drawn(crowd);
  expect(Math.hypot(fromX - dots[0][0], fromY - dots[0][1])).toBeCloseTo(6, 0);
  const [{ left, right, top, bottom }] = labels;
  expect([toX >= left - 0.1, toX <= right + 0.1, toY >= top - 0.1, toY <= bottom + 0.1]).toEqual(Array(4).fill(true));
});

test("a label is nearest to its own dot", () => {
  const { dots, labels } = drawn(cases[0][1]);
  for (const [i, { left, right, top, bottom }] of labels.entries()) {
    const distances = dots.map(([x, y]) =>
      Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom)),
    );
    expect(distances.indexOf(Math.min(...distances))).toBe(i);
  }
});
