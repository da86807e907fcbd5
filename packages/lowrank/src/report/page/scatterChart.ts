import { chartAxis } from "./chartAxis.ts";
import { chartWidth, figure, round, svgText, textLines, textWidth } from "./chartText.ts";
import { escapeHtml } from "./escapeHtml.ts";
import { tickText } from "./lineChart.ts";

/** Point of a scatter chart. */
interface ScatterPoint {
  readonly label: string;
  readonly x: number;
  readonly y: number;
  /** Half the length of the vertical error bar. Default 0. */
  readonly spread?: number;
  /** True if the point is on the Pareto front, whose points are filled and joined by a line. */
  readonly front: boolean;
}

/** Scatter chart with labelled points on a logarithmic x axis. */
export interface ScatterChart {
  readonly title: string;
  readonly caption?: string;
  readonly xTitle: string;
  readonly points: readonly ScatterPoint[];
}

const [height, top, bottom, right] = [300, 14, 40, 14];

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Returns a chart as HTML with SVG. Labels do not overlap other labels or points while there is room. */
export function scatterChart({ title, caption, xTitle, points }: ScatterChart): string {
  const ys = points.flatMap(({ y, spread = 0 }) => [y - spread, y + spread]);
  const xs = points.map(({ x }) => x);
  const y = chartAxis({ range: [Math.min(...ys), Math.max(...ys)], ends: [height - bottom, top], nice: true });
  const texts = y.ticks.map((at) => tickText(at, Math.max(...y.ticks.map(Math.abs))));
  const left = Math.max(...texts.map(textWidth)) + 10;
  // Room of a fifth of a decade at each end, so that points are not on the frame.
  const range = [Math.min(...xs) / 1.6, Math.max(...xs) * 1.6] as const;
  const x = chartAxis({ range, ends: [left, chartWidth - right], logarithmic: true, count: 6 });
  const places = points.map((point) => ({ ...point, cx: x.place(point.x), cy: y.place(point.y) }));
  const grid = [
    ...y.ticks.map((at, i) => {
      const place = round(y.place(at));
      return `<path class="grid" d="M${round(left)} ${place}H${chartWidth - right}"/>${svgText(left - 6, place + 4, texts[i], "tick end")}`;
    }),
    ...x.ticks.map((at) => {
      const text = tickText(at, at);
      const place = Math.min(Math.max(x.place(at), textWidth(text) / 2), chartWidth - textWidth(text) / 2);
      return `<path class="grid" d="M${round(x.place(at))} ${height - bottom}v4"/>${svgText(place, height - bottom + 17, text, "tick middle")}`;
    }),
    svgText((left + chartWidth - right) / 2, height - 4, xTitle, "tick middle"),
  ];
  const front = places.filter((point) => point.front).sort((a, b) => a.cx - b.cx);
  const line = front.map(({ cx, cy }, i) => `${i === 0 ? "M" : "L"}${round(cx)} ${round(cy)}`).join("");
  const dots = places.map(({ label, cx, cy, y: value, spread = 0, front: filled }) => {
    const ends = [y.place(value - spread), y.place(value + spread)].map(round);
    const whisker = spread > 0 ? `<path class="whisker" d="M${round(cx)} ${ends[0]}V${ends[1]}"/>` : "";
    const kind = filled ? "c0" : "hollow c0";
    return `${whisker}<circle class="${kind}" cx="${round(cx)}" cy="${round(cy)}" r="5"><title>${escapeHtml(label)}</title></circle>`;
  });
  const elements = [...grid, `<path class="line front c0" d="${line}"/>`, ...dots, ...labels(places)];
  return figure({ title, caption, height, elements });
}

interface Place {
  readonly label: string;
  readonly cx: number;
  readonly cy: number;
}

/** Returns the labels of points, each at the side of its point with the least overlap. */
function labels(places: readonly Place[]): string[] {
  const taken: Box[] = places.map(({ cx, cy }) => ({ left: cx - 6, right: cx + 6, top: cy - 6, bottom: cy + 6 }));
  return places.map(({ label, cx, cy }) => {
    const lines = textLines(label, 150);
    const [width, tall] = [Math.max(...lines.map(textWidth)), lines.length * 15];
    const sides = [16, -tall - 16, -tall / 2, 30, -tall - 30];
    const boxes = [0, 9, -width - 9, -width / 2].flatMap((dx, i) =>
      (i === 1 || i === 2 ? [-tall / 2, -tall - 2, 4] : sides).map((dy) => boxAt(cx + dx, cy + dy, width, tall)),
    );
    const cost = (box: Box) => taken.reduce((sum, other) => sum + overlap(box, other), 0);
    const best = boxes.reduce((a, b) => (cost(b) < cost(a) ? b : a), boxes[5]);
    taken.push(best);
    return lines.map((text, i) => svgText(best.left, best.top + 12 + 15 * i, text)).join("");
  });
}

/** Returns a box of this size that is moved into the chart. */
function boxAt(left: number, up: number, width: number, tall: number): Box {
  const x = Math.min(Math.max(left, 0), chartWidth - width);
  const y = Math.min(Math.max(up, 0), height - bottom - tall);
  return { left: x, right: x + width, top: y, bottom: y + tall };
}

function overlap(a: Box, b: Box): number {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return across > 0 && down > 0 ? across * down : 0;
}
