import { chartAxis } from "./chartAxis.ts";
import { hues } from "./chartStyle.ts";
import { chartWidth, figure, round, svgText, textWidth } from "./chartText.ts";
import { escapeHtml } from "./escapeHtml.ts";

/** Point of a line in a chart. */
export type ChartPoint = readonly [x: number, y: number];

/** Line of a chart. */
export interface ChartLine {
  /** Name of the line, shown when the pointer is on it. */
  readonly name: string;
  /** Name of the line's group. The lines of a group share a colour and a legend entry. */
  readonly group: string;
  /** Points of the line, from left to right. */
  readonly points: readonly ChartPoint[];
  /** Draws a dot at each point. Default false. */
  readonly dots?: boolean;
  /** Draws the line faintly, behind the others. Default false. */
  readonly faint?: boolean;
}

/** Line chart. */
export interface LineChart {
  readonly title: string;
  /** Sentence below the title. */
  readonly caption?: string;
  readonly xTitle: string;
  readonly lines: readonly ChartLine[];
  /** Logarithmic axes, which leave out points that are not above 0. Default: linear. */
  readonly logarithmic?: { readonly x?: boolean; readonly y?: boolean };
  /** Formats a tick of the y axis, whose largest tick is `most`. Default: `tickText`. */
  show?(y: number, most: number): string;
  /** Starts the y axis at 0. Default false. */
  readonly fromZero?: boolean;
  /** Ends of the y axis. Default: the smallest and largest y, rounded outwards. */
  readonly yRange?: readonly [least: number, most: number];
}

const [height, top, bottom, right] = [250, 10, 40, 12];

/** Returns a chart as HTML with SVG. The page must include the CSS `chartStyle`. */
export function lineChart(chart: LineChart): string {
  const { title, caption, xTitle, lines, logarithmic = {}, show = tickText, fromZero = false, yRange } = chart;
  const shown = ([x, y]: ChartPoint) => !(logarithmic.x && x <= 0) && !(logarithmic.y && y <= 0);
  const points = lines.flatMap((line) => line.points.filter(shown));
  // Without points, the ends are 1 and 10, which both kinds of axes can show.
  const [xs, ys] = ([0, 1] as const).map((side) =>
    points.length > 0 ? ends(points.map((point) => point[side])) : ([1, 10] as const),
  );
  const range = yRange ?? (fromZero ? ([0, ys[1]] as const) : ys);
  const y = chartAxis({
    range,
    ends: [height - bottom, top],
    logarithmic: logarithmic.y,
    nice: yRange === undefined,
  });
  const yText = (at: number) => show(at, Math.max(...y.ticks.map(Math.abs)));
  const left = Math.max(...y.ticks.map((at) => textWidth(yText(at)))) + 10;
  const x = chartAxis({ range: xs, ends: [left, chartWidth - right], logarithmic: logarithmic.x, count: 6 });
  const groups = [...new Set(lines.map(({ group }) => group))];
  const colour = (group: string) => groups.indexOf(group) % hues;
  const drawn = lines
    .toSorted((a, b) => Number(b.faint ?? false) - Number(a.faint ?? false))
    .map((line) => {
      const places = line.points.filter(shown).map((point): ChartPoint => {
        return [round(x.place(point[0])), round(y.place(Math.max(point[1], range[0])))];
      });
      const path = places.map(([across, up], i) => `${i === 0 ? "M" : "L"}${across} ${up}`).join("");
      const kind = `c${colour(line.group)}`;
      const dots = line.dots
        ? places.map(([cx, cy]) => `<circle class="hollow ${kind}" cx="${cx}" cy="${cy}" r="3"/>`)
        : [];
      const named = `<title>${escapeHtml(line.name)}</title>`;
      return `<path class="line ${line.faint ? "faint " : ""}${kind}" d="${path}">${named}</path>${dots.join("")}`;
    });
  const grid = [
    ...y.ticks.map((at) => {
      const place = round(y.place(at));
      return `<path class="grid" d="M${round(left)} ${place}H${chartWidth - right}"/>${svgText(left - 6, place + 4, yText(at), "tick end")}`;
    }),
    ...xTicks(x.ticks, x.place),
    svgText((left + chartWidth - right) / 2, height - 4, xTitle, "tick middle"),
  ];
  const legend = groups.map((group) => ({
    text: group,
    colour: colour(group),
    dot: lines.some((line) => line.group === group && line.dots),
  }));
  return figure({ title, caption, legend: groups.length > 1 ? legend : [], height, elements: [...grid, ...drawn] });
}

/** Returns the ticks of the x axis, without the labels that would overlap or leave the chart. */
function xTicks(ticks: readonly number[], place: (value: number) => number, base: number = height - bottom): string[] {
  let free = 0;
  return ticks.flatMap((at) => {
    const text = tickText(at, Math.max(...ticks.map(Math.abs)));
    const half = textWidth(text) / 2;
    const x = Math.min(place(at), chartWidth - half);
    const line = `<path class="grid" d="M${round(place(at))} ${base}v4"/>`;
    if (x - half < free) return [line];
    free = x + half + 4;
    return [line, svgText(x, base + 17, text, "tick middle")];
  });
}

/**
 * Formats a tick of an axis whose largest tick is `most`: "0.0005", "2e-4" if the axis ends below 0.001, "12K" if it
 * ends at 10,000 or above.
 */
export function tickText(value: number, most: number): string {
  const size = Math.abs(most);
  if (value === 0) return "0";
  if (size >= 1e4) return compact.format(value);
  if (size < 1e-3) return String(Number(value.toPrecision(3)).toExponential());
  return Number(value.toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 9 });
}

const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

function ends(values: readonly number[]): readonly [number, number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}
