import { chartAxis } from "./chartAxis.ts";
import { chartWidth, figure, round, svgText, textLines, textWidth } from "./chartText.ts";
import { escapeHtml } from "./escapeHtml.ts";

/** Bar of a chart. */
interface Bar {
  readonly label: string;
  /** Length of the bar, or the lengths of its parts; null if it was not measured. */
  readonly value: number | null | readonly number[];
  /** Half the length of the error bar. */
  readonly spread?: number;
}

/** A kind of part that stacked bars have. */
interface BarPart {
  readonly name: string;
  /** Number of its colour. */
  readonly colour: number;
}

/** Horizontal bar chart. */
export interface BarChart {
  readonly title: string;
  /** Sentence below the title. */
  readonly caption?: string;
  readonly bars: readonly Bar[];
  /** Parts of stacked bars, in their order from the left. Default: bars have one part. */
  readonly parts?: readonly BarPart[];
  /** Formats a value for the end of its bar. */
  show(value: number): string;
  /** Formats a value of the axis. Default: `show`. */
  tick?(value: number): string;
  /** Draws dots on a logarithmic axis instead of bars. Zeros have no dot. Default false. */
  readonly logarithmic?: boolean;
  /** A value that a line marks, with its name, and a short text above the line. */
  readonly mark?: { readonly value: number; readonly name: string; readonly label: string };
}

/** Labels wider than this are above their bars. */
const widestLabel = 165;
const [rowHeight, barHeight, lineHeight, footer] = [24, 16, 16, 24];

/** Returns a chart as HTML with SVG. The page must include the CSS `chartStyle`. */
export function barChart(chart: BarChart): string {
  const { title, caption, bars, parts = [], show, tick = show, logarithmic = false, mark } = chart;
  const totals = bars.map(({ value }) => (Array.isArray(value) ? sum(value) : (value as number | null)));
  const above = bars.some(({ label }) => textWidth(label) > widestLabel);
  const left = above || bars.length === 0 ? 0 : Math.max(...bars.map(({ label }) => textWidth(label))) + 8;
  const texts = totals.map((total) => (total === null ? "not measured" : show(total)));
  const right = chartWidth - Math.max(30, ...texts.map(textWidth)) - (logarithmic ? 13 : 8);
  const known = totals.flatMap((total) => (total === null ? [] : [total]));
  const positive = known.filter((total) => total > 0);
  const most = Math.max(...bars.map(({ spread = 0 }, i) => (totals[i] ?? 0) + spread), mark?.value ?? 0) || 1;
  // The smallest dot is a tenth of a decade from the left end.
  const range = [
    logarithmic && positive.length > 0 ? Math.min(...positive) / 10 ** 0.1 : logarithmic ? most / 10 : 0,
    most,
  ] as const;
  const axis = chartAxis({ range, ends: [left, right], logarithmic, count: 4 });
  const at = (value: number) =>
    logarithmic && !(value > 0) ? left : Math.max(left, axis.place(Math.max(value, range[0])));
  // The label of a marked value is above the bars.
  const top = mark === undefined ? 0 : lineHeight;
  let y = top + 4;
  // Texts are drawn last, so that no line crosses them.
  const written: string[] = [];
  const rows = bars.flatMap(({ label, value, spread = 0 }, i) => {
    const found: string[] = [];
    const lines = above ? textLines(label, chartWidth) : [label];
    for (const [k, line] of lines.entries()) {
      written.push(svgText(above ? 0 : left - 8, y + 12 + k * lineHeight, line, above ? undefined : "end"));
    }
    if (above) y += lines.length * lineHeight;
    const total = totals[i];
    if (total === null) written.push(svgText(left, y + 12, texts[i], "none"));
    else {
      if (Array.isArray(value)) found.push(...segments(value, { label, parts, show, at, y }));
      else if (logarithmic) {
        if (total > 0)
          found.push(
            `<path class="grid" d="M${round(left)} ${y + 8}H${round(at(total))}"/><circle class="c0" cx="${round(at(total))}" cy="${y + 8}" r="5"/>`,
          );
      } else
        found.push(
          `<rect class="c0" x="${round(left)}" y="${y}" width="${round(at(total) - left)}" height="${barHeight}" rx="2"/>`,
        );
      const [from, to] = [at(total - spread), at(total + spread)].map(round);
      if (spread > 0)
        found.push(`<path class="whisker" d="M${from} ${y + 8}H${to}M${from} ${y + 4}v8M${to} ${y + 4}v8"/>`);
      written.push(svgText((spread > 0 ? to : at(total)) + (logarithmic && total > 0 ? 11 : 6), y + 12.5, texts[i]));
    }
    y += rowHeight;
    return found;
  });
  const grid = positive.length === 0 ? [] : axisLines(axis.ticks, { at, tick, top, y });
  const marked = mark === undefined ? [] : markLine(mark, at(mark.value), [top, y]);
  const legend = parts.map(({ name, colour }) => ({ text: name, colour }));
  const heading = logarithmic ? `${title} (logarithmic)` : title;
  return figure({
    title: heading,
    caption,
    legend,
    height: y + footer,
    elements: [...grid, ...rows, ...marked, ...written],
  });
}

/** Returns a dashed line at a marked value, with its label above it, inside of the chart. */
function markLine({ name, label }: NonNullable<BarChart["mark"]>, x: number, [from, to]: readonly number[]): string[] {
  const half = textWidth(label) / 2;
  const line = `<path class="whisker" stroke-dasharray="4 3" d="M${round(x)} ${from}V${to}"><title>${escapeHtml(name)}</title></path>`;
  return [line, svgText(Math.min(Math.max(x, half), chartWidth - half), from - 4, label, "middle")];
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

interface Segments {
  readonly label: string;
  readonly parts: readonly BarPart[];
  readonly y: number;
  show(value: number): string;
  at(value: number): number;
}

/** Returns the parts of a stacked bar, from left to right. */
function segments(values: readonly number[], { label, parts, y, show, at }: Segments): string[] {
  let start = 0;
  return values.flatMap((value, i) => {
    const [from, to] = [at(start), at(start + value)];
    start += value;
    if (!(to > from)) return [];
    const name = escapeHtml(`${label}, ${parts[i].name}: ${show(value)}`);
    const place = `x="${round(from)}" y="${y}" width="${round(to - from)}" height="${barHeight}"`;
    return [`<rect class="c${parts[i].colour}" ${place}><title>${name}</title></rect>`];
  });
}

/** Returns lines at the ticks, with labels that do not overlap, below the bars. */
function axisLines(
  ticks: readonly number[],
  { at, tick, top, y }: { at(value: number): number; tick(value: number): string; top: number; y: number },
): string[] {
  let free = 0;
  return ticks.flatMap((value) => {
    const text = tick(value);
    const half = textWidth(text) / 2;
    const x = Math.min(Math.max(at(value), half), chartWidth - half);
    const line = `<path class="grid" d="M${round(at(value))} ${top}V${y}"/>`;
    if (x - half < free) return [line];
    free = x + half + 4;
    return [line, svgText(x, y + 14, text, "tick middle")];
  });
}
