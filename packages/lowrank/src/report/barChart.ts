import { escapeHtml } from "./table.ts";

/** Bar of a chart. */
interface Bar {
  readonly label: string;
  /** Length of the bar; null if it was not measured. */
  readonly value: number | null;
  /** Half the length of the error bar. */
  readonly spread?: number;
}

/** Horizontal bar chart. */
export interface BarChart {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** Formats a value for the end of its bar. */
  show(value: number): string;
  /** Uses a logarithmic scale. Zeros have no bar. Default false. */
  readonly logarithmic?: boolean;
}

const [labelWidth, barWidth, valueWidth, rowHeight, head] = [150, 380, 130, 24, 34];

/** Returns a chart as SVG. The page must include the CSS `chartStyle`. */
export function barChart({ title, bars, show, logarithmic = false }: BarChart): string {
  const positive = bars.flatMap(({ value }) => (value !== null && value > 0 ? [value] : []));
  const most = Math.max(...positive, ...bars.map(({ value, spread = 0 }) => (value ?? 0) + spread));
  // The shortest bar is a tenth of a decade long.
  const least = Math.min(...positive) / 10 ** 0.1;
  const length = (value: number): number => {
    if (!(value > 0) || positive.length === 0) return 0;
    const share = logarithmic ? Math.log(value / least) / Math.log(most / least) : value / most;
    return Math.max(0, share) * barWidth;
  };
  const rows = bars.map(({ label, value, spread = 0 }, i) => {
    const y = head + i * rowHeight;
    const text = `<text class="label" x="${labelWidth - 8}" y="${y + 14}">${escapeHtml(label)}</text>`;
    if (value === null) return `${text}<text class="none" x="${labelWidth}" y="${y + 14}">not measured</text>`;
    const whisker = [value - spread, value + spread].map((at) => (labelWidth + length(at)).toFixed(1));
    const line = `<path class="whisker" d="M${whisker[0]} ${y + 9}H${whisker[1]}M${whisker[0]} ${y + 5}v8M${whisker[1]} ${y + 5}v8"/>`;
    const bar = `<rect x="${labelWidth}" y="${y}" width="${length(value).toFixed(1)}" height="18" rx="2"/>`;
    const at = Number(whisker[1]) + 6;
    return `${text}${bar}${spread > 0 ? line : ""}<text x="${at.toFixed(1)}" y="${y + 14}">${escapeHtml(show(value))}</text>`;
  });
  const [width, height] = [labelWidth + barWidth + valueWidth, head + bars.length * rowHeight];
  const heading = `${escapeHtml(title)}${logarithmic ? " (logarithmic)" : ""}`;
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">\n<text class="title" x="0" y="18">${heading}</text>\n${rows.join("\n")}\n</svg>`;
}

/** CSS for charts. */
export const chartStyle = `svg { width: 100%; max-width: 660px; font-size: 13px; }
svg text { fill: currentColor; } svg .title { font-size: 15px; font-weight: 600; }
svg .label { text-anchor: end; } svg .none { opacity: 0.6; font-style: italic; }
svg rect { fill: #3b7dd8; } svg .whisker { stroke: currentColor; stroke-width: 1.5; fill: none; }`;
