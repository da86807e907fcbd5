import { escapeHtml } from "./table.ts";

/** Point of a line in a chart. */
export type ChartPoint = readonly [x: number, y: number];

/** Line of a chart. */
interface Line {
  /** Name of the line, shown when the pointer is on it. */
  readonly name: string;
  /** Name of the line's group. The lines of a group share a colour and a legend entry. */
  readonly group: string;
  /** Points of the line, from left to right. */
  readonly points: readonly ChartPoint[];
  /** Draws a dot at each point. Default false. */
  readonly dots?: boolean;
}

/** Line chart. */
export interface LineChart {
  readonly title: string;
  readonly xTitle: string;
  readonly lines: readonly Line[];
  /** Logarithmic axes, which leave out points that are not above 0. Default: linear. */
  readonly logarithmic?: { readonly x?: boolean; readonly y?: boolean };
  /** Formats a value of the y axis. */
  show(y: number): string;
  /** Ends of the y axis. Default: the smallest and largest y. */
  readonly yRange?: readonly [least: number, most: number];
}

const [width, height, left, right, top, bottom] = [640, 320, 56, 10, 34, 40];

/** Maps values to positions on a linear or logarithmic axis. */
interface Axis {
  place(value: number): number;
  readonly ticks: readonly number[];
}

function axis(least: number, most: number, logarithmic: boolean, [from, to]: readonly [number, number]): Axis {
  const of = logarithmic ? Math.log10 : (value: number) => value;
  const [low, high] = [of(least), of(most)];
  const span = high - low || 1;
  const place = (value: number) => from + ((of(value) - low) / span) * (to - from);
  return { place, ticks: logarithmic ? decades(low, high) : steps(least, most) };
}

/** Returns powers of ten as ticks. A short axis also gets 2 and 5 times each power. */
function decades(low: number, high: number): number[] {
  const span = high - low;
  const every = Math.max(1, Math.ceil(span / 6));
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    const factors = span < 2.5 ? [1, 2, 5] : power % every === 0 ? [1] : [];
    for (const factor of factors) {
      const at = power + Math.log10(factor);
      if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(Number(`${factor}e${power}`));
    }
  }
  return ticks;
}

/** Returns about five round numbers from `least` to `most`, as ticks of a linear axis. */
function steps(least: number, most: number): number[] {
  const rough = (most - least || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(least / step - 1e-9);
  return Array.from({ length: Math.floor(most / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** Returns a chart as SVG. The page must include the CSS `lineStyle`. Lines of a group have the same colour. */
export function lineChart({ title, xTitle, lines, logarithmic = {}, show, yRange }: LineChart): string {
  const shown = ([x, y]: readonly [number, number]) => !(logarithmic.x && x <= 0) && !(logarithmic.y && y <= 0);
  const points = lines.flatMap((line) => line.points.filter(shown));
  const ends = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const;
  // Without points, the ends are 1 and 10, which both kinds of axes can show.
  const [xs, ys] = [0, 1].map((side) => (points.length > 0 ? ends(points.map((point) => point[side])) : [1, 10]));
  const x = axis(xs[0], xs[1], logarithmic.x ?? false, [left, width - right]);
  const [low, high] = yRange ?? ys;
  const y = axis(low, high, logarithmic.y ?? false, [height - bottom, top]);
  const groups = [...new Set(lines.map(({ group }) => group))];
  const colour = (group: string) => `c${groups.indexOf(group) % colours.length}`;
  const grid = [
    ...y.ticks.map((at) => {
      const place = y.place(at).toFixed(1);
      return `<path class="grid" d="M${left} ${place}H${width - right}"/><text class="label" x="${left - 6}" y="${Number(place) + 4}">${escapeHtml(show(at))}</text>`;
    }),
    ...x.ticks.map((at) => {
      const place = x.place(at).toFixed(1);
      return `<path class="grid" d="M${place} ${height - bottom}v4"/><text class="middle" x="${place}" y="${height - bottom + 17}">${Number(at.toPrecision(6))}</text>`;
    }),
    `<text class="middle" x="${(left + width - right) / 2}" y="${height - 6}">${escapeHtml(xTitle)}</text>`,
  ];
  const drawn = lines.map((line) => {
    const places = line.points.filter(shown).map((point) => {
      return [x.place(point[0]).toFixed(1), y.place(Math.max(point[1], low)).toFixed(1)];
    });
    const path = places.map(([across, up], i) => `${i === 0 ? "M" : "L"}${across} ${up}`).join("");
    const kind = `line ${colour(line.group)}`;
    const dots = line.dots ? places.map(([cx, cy]) => `<circle class="${kind}" cx="${cx}" cy="${cy}" r="3"/>`) : [];
    return `<path class="${kind}" d="${path}"><title>${escapeHtml(line.name)}</title></path>${dots.join("")}`;
  });
  const legend = groups.map((group) => `<li><span class="${colour(group)}"></span>${escapeHtml(group)}</li>`);
  const image = `<svg class="lines" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
<text class="title" x="0" y="18">${escapeHtml(title)}</text>
${[...grid, ...drawn].join("\n")}
</svg>`;
  return groups.length > 1 ? `<div>${image}\n<ul class="legend">${legend.join("")}</ul></div>` : image;
}

/** Colours that are distinct on white and on black, also for most people with colour blindness. */
const colours = ["#3b7dd8", "#d9772b", "#2a9d6f", "#b45fc9", "#c94f5c", "#8a8f2a", "#2fa5b8", "#a0785a"] as const;

/** CSS for line charts. */
export const lineStyle: string = `svg.lines .line { fill: none; stroke-width: 1.2; opacity: 0.6; } svg.lines .line:hover { stroke-width: 3; opacity: 1; }
svg .grid { stroke: #8884; fill: none; } svg .middle { text-anchor: middle; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2em 1.2em; list-style: none; margin: 0.2em 0; padding: 0; font-size: 13px; }
.legend span { display: inline-block; width: 1em; height: 3px; margin-right: 0.4em; vertical-align: middle; background: currentColor; print-color-adjust: exact; }
${colours.map((colour, i) => `.line.c${i} { stroke: ${colour}; } span.c${i} { color: ${colour}; }`).join("\n")}`;

/**
 * Reduces a line to at most `most` points. Each is the mean of a group of neighbouring points; all groups have the same
 * size, except that the last may be smaller.
 */
export function thinned(points: readonly ChartPoint[], most: number): ChartPoint[] {
  const group = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / Math.max(group, 1)) }, (_, i): ChartPoint => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (at: 0 | 1) => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    return [mean(0), mean(1)];
  });
}
