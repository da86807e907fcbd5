import { digits, escapeHtml } from "./table.ts";

/** A point of a line. */
export type ChartPoint = readonly [x: number, y: number];

/** Points that a line joins. */
interface ChartLine {
  readonly label: string;
  readonly points: readonly ChartPoint[];
  /** Shows each point by a dot. */
  readonly dots?: boolean;
}

/** A chart of lines over one axis. */
export interface LineChart {
  readonly title: string;
  /** The name of the horizontal axis. */
  readonly over: string;
  readonly lines: readonly ChartLine[];
  /** A value in words, at its axis. */
  show?(value: number): string;
}

const [width, height] = [660, 260];
const [left, right, top, bottom] = [64, 14, 52, 40];
/** The most points of a line: more of them are means of neighbours. */
const mostPoints = 400;

/** Returns at most `most` points, each the mean of as many neighbours. */
export function thinned(points: readonly ChartPoint[], most: number): ChartPoint[] {
  const group = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / Math.max(group, 1)) }, (_, i): ChartPoint => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (at: 0 | 1) => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    return [mean(0), mean(1)];
  });
}

/** Returns round numbers from `least` to `most`, about `count` of them. */
export function ticks(least: number, most: number, count: number): number[] {
  const rough = (most - least) / count || Math.abs(most) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(least / step - 1e-9);
  const length = Math.floor(most / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(length, 0) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A chart as SVG, for a page that has `lineChartStyle`. */
export function lineChart({ title, over, lines, show = digits }: LineChart): string {
  const all = lines.flatMap(({ points }) => points);
  const range = (at: 0 | 1): [number, number] => {
    const values = all.map((point) => point[at]);
    return [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  };
  const [x0, x1] = range(0);
  const [low, high] = range(1);
  const margin = (high - low || Math.abs(high) || 1) * 0.05;
  const [y0, y1] = [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
  const x = (value: number) => left + ((value - x0) / (x1 - x0 || 1)) * (width - left - right);
  const y = (value: number) => height - bottom - ((value - y0) / (y1 - y0)) * (height - top - bottom);
  const at = (value: number) => value.toFixed(1);
  const grid = ticks(y0, y1, 5).map((value) => {
    const line = `<path class="grid" d="M${left} ${at(y(value))}H${width - right}"/>`;
    return `${line}<text class="label" x="${left - 8}" y="${at(y(value) + 4)}">${escapeHtml(show(value))}</text>`;
  });
  const below = ticks(x0, x1, 6).map(
    (value) => `<text class="below" x="${at(x(value))}" y="${height - bottom + 18}">${digits(value)}</text>`,
  );
  const drawn = lines.map(({ points, dots }, i) => {
    const path = thinned(points, mostPoints).map(([a, b], n) => `${n === 0 ? "M" : "L"}${at(x(a))} ${at(y(b))}`);
    const marks = dots
      ? points.map(([a, b]) => `<circle class="line${i}" cx="${at(x(a))}" cy="${at(y(b))}" r="3"/>`)
      : [];
    return `<path class="line line${i}" d="${path.join("")}"/>${marks.join("")}`;
  });
  let next = left;
  const legend = lines.map(({ label }, i) => {
    const start = next;
    next += 44 + 7.2 * label.length;
    return `<path class="line line${i}" d="M${start} 36h18"/><text x="${start + 24}" y="40">${escapeHtml(label)}</text>`;
  });
  const axis = `<path class="axis" d="M${left} ${top}V${height - bottom}H${width - right}"/>`;
  const name = `<text class="below" x="${(left + width - right) / 2}" y="${height - 4}">${escapeHtml(over)}</text>`;
  const content = [...grid, ...below, axis, ...drawn, ...(lines.length > 1 ? legend : []), name].join("\n");
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">\n<text class="title" x="0" y="18">${escapeHtml(title)}</text>\n${content}\n</svg>`;
}

/** The style that charts of lines need. */
export const lineChartStyle = `svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg path.line0 { stroke: #3b7dd8; } svg circle.line0 { fill: #3b7dd8; }
svg path.line1 { stroke: #e0761a; } svg circle.line1 { fill: #e0761a; }
svg .axis { fill: none; stroke: currentColor; opacity: 0.6; } svg .grid { stroke: currentColor; opacity: 0.15; }
svg .below { text-anchor: middle; }`;
