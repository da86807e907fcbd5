import { describe, expect, test } from "vitest";
import { barChart } from "./barChart.ts";
import { type LineChart, lineChart } from "./lineChart.ts";

const all = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map(([, ...found]) => found.join(" "));

describe("a chart of bars", () => {
  const bars = [
    { label: "a & b", value: 50, spread: 10 },
    { label: "none", value: null },
    { label: "c", value: 100 },
  ];
  const show = (value: number) => `<${value}>`;

  test("has labels to the left of 150, bars of up to 380, and values behind bars and whiskers", () => {
    expect(barChart({ title: "t & u", bars, show }).split("\n")).toEqual([
      '<svg viewBox="0 0 660 106" role="img" aria-label="t &amp; u">',
      '<text class="title" x="0" y="18">t &amp; u</text>',
      [
        '<text class="label" x="142" y="48">a &amp; b</text>',
        '<rect x="150" y="34" width="190.0" height="18" rx="2"/>',
        '<path class="whisker" d="M302.0 43H378.0M302.0 39v8M378.0 39v8"/>',
        '<text x="384.0" y="48">&lt;50&gt;</text>',
      ].join(""),
      '<text class="label" x="142" y="72">none</text><text class="none" x="150" y="72">not measured</text>',
      [
        '<text class="label" x="142" y="96">c</text>',
        '<rect x="150" y="82" width="380.0" height="18" rx="2"/>',
        '<text x="536.0" y="96">&lt;100&gt;</text>',
      ].join(""),
      "</svg>",
    ]);
  });

  test("is as wide as the longest whisker", () => {
    const svg = barChart({ title: "t", bars: [{ label: "a", value: 75, spread: 25 }], show });
    expect(all(svg, /width="([\d.]+)" height/g)).toEqual(["285.0"]);
    expect(all(svg, /class="whisker" d="M([\d.]+) \d+H([\d.]+)/g)).toEqual(["340.0 530.0"]);
  });

  test("by logarithms has whiskers by logarithms too, which end at zero", () => {
    const some = [
      { label: "a", value: 1, spread: 1 },
      { label: "b", value: 10 ** 0.9 },
      { label: "c", value: 0 },
      { label: "d", value: -1 },
    ];
    const svg = barChart({ title: "t", bars: some, show, logarithmic: true });
    // A decade is 380 wide: from 10 ** -0.1 to 10 ** 0.9.
    expect(all(svg, /width="([\d.]+)" height/g)).toEqual(["38.0", "380.0", "0.0", "0.0"]);
    const most = (150 + 380 * (0.1 + Math.log10(2))).toFixed(1);
    expect(all(svg, /class="whisker" d="M([\d.]+) \d+H([\d.]+)/g)).toEqual([`150.0 ${most}`]);
    expect(svg).toContain(">t (logarithmic)</text>");
  });

  test("is as wide as a bar below 1, beside one without a value", () => {
    const some = [
      { label: "a", value: 0.5 },
      { label: "b", value: null },
    ];
    expect(all(barChart({ title: "t", bars: some, show }), /width="([\d.]+)" height/g)).toEqual(["380.0"]);
  });

  test("of nothing has no bars", () => {
    expect(barChart({ title: "t", bars: [], show })).toContain('viewBox="0 0 660 34"');
    expect(barChart({ title: "t", bars: [{ label: "a", value: 0 }], show })).toContain('width="0.0"');
  });
});

describe("a chart of lines", () => {
  const chart = (points: readonly (readonly [number, number])[], more: Partial<LineChart> = {}) =>
    lineChart({
      title: "t",
      xTitle: "steps",
      lines: [{ name: "a", group: "g", points }],
      show: (y) => `${Number(y.toPrecision(6))}`,
      ...more,
    });
  const xTicks = (svg: string) => all(svg, /class="middle" x="[\d.]+" y="297">([^<]+)</g).map(Number);
  const yTicks = (svg: string) => all(svg, /class="label" x="50" y="[\d.]+">([^<]+)</g).map(Number);

  test("has a grid, titles, and a line", () => {
    const svg = chart(
      [
        [0, 0],
        [10, 1],
      ],
      {
        title: "t & u",
        lines: [
          {
            name: "a",
            group: "g",
            points: [
              [0, 0],
              [5, 0.5],
              [10, 1],
            ],
            dots: true,
          },
        ],
      },
    );
    const line = (y: string, label: string) =>
      `<path class="grid" d="M56 ${y}H630"/><text class="label" x="50" y="${Number(y) + 4}">${label}</text>`;
    const tick = (x: string, label: string) =>
      `<path class="grid" d="M${x} 280v4"/><text class="middle" x="${x}" y="297">${label}</text>`;
    const dot = (x: string, y: string) => `<circle class="line c0" cx="${x}" cy="${y}" r="3"/>`;
    expect(svg.split("\n")).toEqual([
      '<svg class="lines" viewBox="0 0 640 320" role="img" aria-label="t &amp; u">',
      '<text class="title" x="0" y="18">t &amp; u</text>',
      ...["280.0", "230.8", "181.6", "132.4", "83.2", "34.0"].map((y, i) => line(y, `${i / 5}`)),
      ...["56.0", "170.8", "285.6", "400.4", "515.2", "630.0"].map((x, i) => tick(x, `${2 * i}`)),
      '<text class="middle" x="343" y="314">steps</text>',
      `<path class="line c0" d="M56.0 280.0L343.0 157.0L630.0 34.0"><title>a</title></path>${dot("56.0", "280.0")}${dot("343.0", "157.0")}${dot("630.0", "34.0")}`,
      "</svg>",
    ]);
  });

  test.each<[least: number, most: number, ticks: number[]]>([
    [0, 10, [0, 2, 4, 6, 8, 10]],
    [0, 5, [0, 1, 2, 3, 4, 5]],
    [0, 7, [0, 2, 4, 6]],
    [0, 25, [0, 5, 10, 15, 20, 25]],
    [0, 30, [0, 10, 20, 30]],
    [3, 4, [3, 3.2, 3.4, 3.6, 3.8, 4]],
    [0.5, 2.3, [0.5, 1, 1.5, 2]],
    [-1, 1, [-1, -0.5, 0, 0.5, 1]],
    [0, 0.0001, [0, 0.00002, 0.00004, 0.00006, 0.00008, 0.0001]],
    [3, 3, [3]],
    [3.2, 3.2, [3.2]],
  ])("from %f to %f has ticks at %j", (least, most, ticks) => {
    const svg = chart([
      [least, least],
      [most, most],
    ]);
    expect([xTicks(svg), yTicks(svg)]).toEqual([ticks, ticks]);
  });

  test.each<[least: number, most: number, ticks: number[]]>([
    [1, 100, [1, 2, 5, 10, 20, 50, 100]],
    [0.3, 30, [0.5, 1, 2, 5, 10, 20]],
    [0.05, 3, [0.05, 0.1, 0.2, 0.5, 1, 2]],
    [1, 10 ** 2.5, [1, 10, 100]],
    [1, 310, [1, 2, 5, 10, 20, 50, 100, 200]],
    [1, 1e6, [1, 10, 100, 1e3, 1e4, 1e5, 1e6]],
    [1, 1.1e6, [1, 100, 1e4, 1e6]],
    [0.001, 1e4, [0.01, 1, 100, 1e4]],
    [5, 5, [5]],
  ])("by logarithms from %f to %f has ticks at %j", (least, most, ticks) => {
    const logarithmic = { x: true, y: true };
    const svg = chart(
      [
        [least, least],
        [most, most],
      ],
      { logarithmic },
    );
    expect([xTicks(svg), yTicks(svg)]).toEqual([ticks, ticks]);
    const [from, to] = all(svg, /d="M56.0 280.0L([\d.]+) ([\d.]+)"/g)[0].split(" ");
    expect([from, to]).toEqual(least === most ? ["56.0", "280.0"] : ["630.0", "34.0"]);
  });

  test("leaves out what has no logarithm, on the axis that has one", () => {
    const points = [
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 2],
    ] as const;
    const corners = (logarithmic: object) => all(chart(points, { logarithmic }), /class="line c0" d="([^"]*)"/g)[0];
    expect(corners({}).match(/[ML]/g)).toHaveLength(4);
    expect(corners({ x: true })).toBe("M56.0 280.0L56.0 157.0L630.0 34.0");
    expect(corners({ y: true })).toBe("M56.0 280.0L343.0 280.0L630.0 34.0");
  });

  test("of nothing goes from 1 to 10", () => {
    for (const logarithmic of [{}, { x: true, y: true }]) {
      const svg = chart([], { logarithmic });
      const ticks = !("x" in logarithmic) ? [2, 4, 6, 8, 10] : [1, 2, 5, 10];
      expect([xTicks(svg), yTicks(svg)]).toEqual([ticks, ticks]);
      expect(svg).toContain('<text class="middle" x="630.0" y="297">10</text>');
    }
  });

  test("of one point has its ticks alone", () => {
    const svg = chart([[5, 7]]);
    expect([xTicks(svg), yTicks(svg)]).toEqual([[5], [7]]);
  });

  test("has a range of its own, at whose lower end lower points are", () => {
    const svg = chart(
      [
        [0, -5],
        [1, 0.5],
        [2, 1],
      ],
      { yRange: [0, 1] },
    );
    expect(svg).toContain('d="M56.0 280.0L343.0 157.0L630.0 34.0"');
  });

  test("has a legend of its groups, of whose colours there are eight", () => {
    const points = [
      [0, 0],
      [1, 1],
    ] as const;
    const lines = Array.from({ length: 10 }, (_, i) => ({ name: `n${i}`, group: `g<${i}`, points }));
    const svg = chart([], { lines: [...lines, { ...lines[1], name: "again" }] });
    expect(all(svg, /<path class="line c(\d)"/g)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 1].map(String));
    expect(all(svg, /<li><span class="c(\d)"><\/span>g&lt;(\d)<\/li>/g)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7, 0, 1].map((colour, i) => `${colour} ${i}`),
    );
    expect(svg.startsWith("<div><svg")).toBe(true);
    expect(chart([], { lines: lines.slice(0, 2) })).toContain("legend");
    expect(chart([], { lines: [lines[0], lines[0]] })).not.toContain("legend");
  });
});
