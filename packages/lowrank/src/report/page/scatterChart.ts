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

/** Returns a chart as HTML with SVG. Labels do not overlap labels, points or error bars while there is room. */
export function scatterChart({ title, caption, xTitle, points }: ScatterChart): string {
  const ys = points.flatMap(({ y, spread = 0 }) => [y - spread, y + spread]);
  const xs = points.map(({ x }) => x);
  const y = chartAxis({ range: [Math.min(...ys), Math.max(...ys)], ends: [height - bottom, top], nice: true });
  const texts = y.ticks.map((at) => tickText(at, Math.max(...y.ticks.map(Math.abs))));
  const left = Math.max(...texts.map(textWidth)) + 10;
  // Room of a fifth of a decade at each end, so that points are not on the frame.
  const range = [Math.min(...xs) / 1.6, Math.max(...xs) * 1.6] as const;
  const x = chartAxis({ range, ends: [left, chartWidth - right], logarithmic: true, count: 6 });
  const places = points.map((point) => {
    const { spread = 0 } = point;
    const ends = [y.place(point.y - spread), y.place(point.y + spread)] as const;
    return { ...point, cx: x.place(point.x), cy: y.place(point.y), ends };
  });
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
  const dots = places.map(({ label, cx, cy, ends: [low, high], spread = 0, front: filled }) => {
    const whisker = spread > 0 ? `<path class="whisker" d="M${round(cx)} ${round(low)}V${round(high)}"/>` : "";
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
  /** Vertical ends of the error bar; both are `cy` without one. */
  readonly ends: readonly [number, number];
}

/** Distances of a label from its point, nearest first. */
const distances = [0, 8, 18, 30, 44];

/**
 * Returns the labels of points. Each is next to its point, at the side with the least overlap of points, error bars and
 * other labels. A label that must be further away stays nearer to its own point than to others while there is room.
 */
function labels(places: readonly Place[]): string[] {
  const taken: Box[] = places.flatMap(({ cx, cy, ends: [low, high] }) => [
    { left: cx - 6, right: cx + 6, top: cy - 6, bottom: cy + 6 },
    { left: cx - 3, right: cx + 3, top: Math.min(low, high), bottom: Math.max(low, high) },
  ]);
  return places.map((place) => {
    const { label, cx, cy } = place;
    const lines = textLines(label, 150);
    const [width, tall] = [Math.max(...lines.map(textWidth)), lines.length * 15];
    const boxes = distances.flatMap((far) => {
      const [beside, above, below] = [9 + far, -tall - 7 - far, 7 + far];
      const sides = [-tall / 2, -tall - 2 - far, 4 + far].flatMap((dy) => [
        [beside, dy],
        [-width - beside, dy],
      ]);
      const rows = [above, below].flatMap((dy) => [-width / 2, 0, -width].map((dx) => [dx, dy]));
      return [...sides, ...rows].map(([dx, dy]) => boxAt(cx + dx, cy + dy, width, tall));
    });
    const cost = (box: Box) => {
      const covered = taken.reduce((sum, other) => sum + overlap(box, other), 0);
      const own = distance(box, place);
      const isNearer = places.some((other) => other !== place && distance(box, other) < own);
      // Any overlap is worse than any distance.
      return own + (isNearer ? 40 : 0) + (covered > 0 ? 200 + covered : 0);
    };
    const best = boxes.reduce((a, b) => (cost(b) < cost(a) - 0.01 ? b : a));
    taken.push(best);
    const leader = distance(best, place) > 20 ? leaderTo(best, place) : "";
    return leader + lines.map((text, i) => svgText(best.left, best.top + 12 + 15 * i, text)).join("");
  });
}

/** Returns a thin line from the edge of a dot to the nearest point of its label. */
function leaderTo({ left, right, top, bottom }: Box, { cx, cy }: Place): string {
  const [x, y] = [Math.min(Math.max(cx, left), right), Math.min(Math.max(cy, top), bottom)];
  const part = 6 / Math.hypot(x - cx, y - cy);
  return `<path class="leader" d="M${round(cx + part * (x - cx))} ${round(cy + part * (y - cy))}L${round(x)} ${round(y)}"/>`;
}

/** Returns the distance of a point from a box; 0 inside of it. */
function distance({ left, right, top, bottom }: Box, { cx, cy }: Place): number {
  return Math.hypot(Math.max(left - cx, 0, cx - right), Math.max(top - cy, 0, cy - bottom));
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
