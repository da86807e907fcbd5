import { escapeHtml } from "./escapeHtml.ts";

/** Width of a chart's drawing area in its own units. A page shows a unit as 0.8 to 1.25 CSS pixels. */
export const chartWidth = 480;

/** Font size of texts in a chart, in the chart's units. */
const fontSize = 13;

/**
 * Estimates the width of a text in a chart's units. Fonts differ between machines, so the estimate is above the width
 * in common system fonts: narrow letters count 0.36 of the font size, wide ones 1, and others 0.62.
 */
export function textWidth(text: string): number {
  let width = 0;
  for (const sign of text)
    width += /[ilj.,:;'|!()[\] ]/.test(sign) ? 0.36 : /[\u2E80-\u{10FFFF}mwMW@%]/u.test(sign) ? 1 : 0.62;
  return width * fontSize;
}

/** Splits a text into lines that are at most `width` wide. Breaks at spaces, and inside of words that are too long. */
export function textLines(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of text.split(/(?<=[\s/_,-])/)) {
    if (textWidth((line + part).trimEnd()) > width && line !== "") {
      lines.push(line.trimEnd());
      line = "";
    }
    line += part;
    while (textWidth(line) > width) {
      let end = line.length - 1;
      while (end > 1 && textWidth(line.slice(0, end)) > width) end--;
      lines.push(line.slice(0, end));
      line = line.slice(end);
    }
  }
  return [...lines, line.trimEnd()].filter((found, _, all) => found !== "" || all.length === 1);
}

/** Returns a `text` element of SVG. `kind` is its class. */
export function svgText(x: number, y: number, text: string, kind?: string): string {
  const named = kind === undefined ? "" : ` class="${kind}"`;
  return `<text${named} x="${round(x)}" y="${round(y)}">${escapeHtml(text)}</text>`;
}

/** Rounds a coordinate to a tenth. */
export const round = (value: number): number => Math.round(value * 10) / 10;

/** Entry of a legend: its text, and the number of its colour. */
interface LegendEntry {
  readonly text: string;
  readonly colour: number;
  /** Draws a dot instead of a bar. Default false. */
  readonly dot?: boolean;
}

/** Parts of a chart as a figure of a page. */
interface Figure {
  readonly title: string;
  /** Sentence below the title. */
  readonly caption?: string;
  readonly legend?: readonly LegendEntry[];
  readonly height: number;
  /** Elements of the SVG. */
  readonly elements: readonly string[];
}

/** Returns a figure with a title, a legend and an SVG whose texts scale with it. */
export function figure({ title, caption, legend = [], height, elements }: Figure): string {
  const below = caption === undefined ? "" : `<span>${escapeHtml(caption)}</span>`;
  const entries = legend.map(({ text, colour, dot }) => {
    return `<li><span class="c${colour}${dot ? " dot" : ""}"></span>${escapeHtml(text)}</li>`;
  });
  const list = entries.length === 0 ? "" : `<ul class="legend">${entries.join("")}</ul>\n`;
  return `<figure class="chart"><figcaption><strong>${escapeHtml(title)}</strong>${below}</figcaption>
${list}<svg viewBox="0 0 ${chartWidth} ${round(height)}" role="img" aria-label="${escapeHtml(title)}">
${elements.join("\n")}
</svg></figure>`;
}
