/** Colours of a light and a dark page. Each has a contrast of at least 3 : 1 with the page. */
const colours: readonly (readonly [light: string, dark: string])[] = [
  ["#2f6fcd", "#6ea8fe"],
  ["#c2570c", "#f29a4a"],
  ["#12805c", "#4fc79a"],
  ["#9a45b5", "#cf8ae6"],
  ["#c23b4e", "#f07f8c"],
  ["#757a12", "#c4c94f"],
  ["#137f94", "#5ccbe0"],
  ["#8a5f3f", "#c99f7c"],
  ["#7d8794", "#7f8a99"],
];

/** Number of colours that lines and groups take in turn. The last colour, grey, is not among them. */
export const hues: number = colours.length - 1;

const variables = (theme: 0 | 1): string => colours.map((pair, i) => `--c${i}: ${pair[theme]};`).join(" ");

/** CSS for charts. */
export const chartStyle: string = `:root { ${variables(0)} } @media (prefers-color-scheme: dark) { :root { ${variables(1)} } }
@media print { :root { ${variables(0)} } }
.chart { margin: 0; min-width: 0; } .chart svg { display: block; width: 100%; max-width: 640px; font-size: 13px; overflow: visible; }
figcaption strong { display: block; font-size: 15px; } figcaption span { display: block; font-size: 13px; opacity: 0.8; }
figcaption { margin-bottom: 0.4em; }
.chart text { fill: currentColor; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; } .chart .end { text-anchor: end; } .chart .middle { text-anchor: middle; }
.chart .tick { opacity: 0.75; font-size: 11.5px; } .chart .none { opacity: 0.75; font-style: italic; }
.chart .grid { stroke: #8883; fill: none; } .chart .whisker { stroke: currentColor; stroke-width: 1.3; fill: none; }
.chart .leader { stroke: currentColor; stroke-width: 0.8; opacity: 0.6; fill: none; }
.chart .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .chart .faint { stroke-width: 1; opacity: 0.35; }
.chart .line:hover { stroke-width: 3; opacity: 1; } .chart .front { stroke-dasharray: 4 3; }
.chart .hollow { fill: var(--page); stroke-width: 1.6; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2em 1.1em; list-style: none; margin: 0.2em 0 0.4em; padding: 0; font-size: 13px; }
.legend span { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; margin-right: 0.4em; vertical-align: -1px; print-color-adjust: exact; }
.legend span.dot { border-radius: 50%; }
${colours.map((_, i) => `.chart .c${i} { fill: var(--c${i}); } .chart .line.c${i}, .chart .hollow.c${i} { stroke: var(--c${i}); } .legend .c${i} { background: var(--c${i}); }`).join("\n")}
.chart .line { fill: none; } .chart .hollow { fill: var(--page); }`;
