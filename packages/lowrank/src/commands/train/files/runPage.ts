import { chartGrid, htmlPage } from "../../../report/page/htmlPage.ts";
import { type ChartLine, type ChartPoint, lineChart } from "../../../report/page/lineChart.ts";
import { smoothed, smoothingWeight, thinned } from "../../../report/page/smoothed.ts";
import {
  byteText,
  byteTick,
  type Column,
  digits,
  escapeHtml,
  formatSeconds,
  htmlTable,
  whole,
} from "../../../report/table.ts";
import {
  isSample,
  isStep,
  isValidation,
  measuresOf,
  type SampleAnswer,
  type StepLine,
  type ValidationLine,
} from "./metricsLog.ts";
import type { RunRecord } from "./runConfig.ts";

/** Name and value in a table of the run's report. */
interface Fact {
  readonly name: string;
  readonly value: string;
}

const style = `.facts th { font-weight: 500; vertical-align: top; } .facts td { white-space: normal; overflow-wrap: anywhere; position: static; max-width: none; }
.sample { border: 1px solid var(--line); border-radius: 6px; margin: 0 0 1em; padding: 0.7em 1em; break-inside: avoid; }
.sample h3 { margin: 0; font-size: 0.85em; opacity: 0.85; font-weight: 600; } .sample pre { margin: 0.1em 0 0.7em; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 0 1.5em; }
@media print { .charts { grid-template-columns: 1fr 1fr; } td { white-space: normal; overflow-wrap: anywhere; } }`;

/** Returns the report of a run as one HTML page, for report.html in its folder. The page loads no other files. */
export function runPage(run: RunRecord): string {
  const { config, steps, maxSteps } = run;
  const method = run.peftType ?? "the whole model";
  const whole = steps < maxSteps ? `stopped after step ${steps} of ${maxSteps}` : `${steps} steps`;
  const charts = runCharts(run);
  const samples = sampleBlocks(run);
  const section = (heading: string, html: string) => ({ heading, html });
  return htmlPage({
    title: run.name,
    paragraphs: [`${method} on ${run.baseModel}, ${whole}, by Lowrank ${config.lowrank}`],
    tables: [
      section("Results", factTable(resultFacts(run))),
      ...(charts === "" ? [] : [section("Curves", charts)]),
      ...(samples === "" ? [] : [section("Answers before and after", samples)]),
      section("What trains", factTable(trainedFacts(run))),
      section("Options", factTable(optionFacts(config.options))),
      section("Data and model", fileTable(run)),
      section("Machine", factTable(machineFacts(run))),
    ],
    charts: [],
    notes: run.warnings,
    style,
  });
}

function factTable(rows: readonly Fact[]): string {
  const lines = rows.map(
    ({ name, value }) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table class="facts"><tbody>\n${lines.join("\n")}\n</tbody></table>`;
}

/** Returns the measurements of the first and the last validation, in two columns. */
function resultFacts({ metrics, tokens, seconds, peakMemory }: RunRecord): Fact[] {
  const validations = metrics.filter(isValidation);
  const last = validations.at(-1);
  const measured = last ? measureFacts(validations[0], last) : [{ name: "validation", value: "none" }];
  const speed = seconds > 0 ? `${whole(tokens / seconds)} tokens/s` : "-";
  return [
    ...measured,
    { name: "time of steps", value: formatSeconds(seconds) },
    { name: "speed", value: speed },
    { name: "peak memory", value: byteText(peakMemory) },
  ];
}

function measureFacts(first: ValidationLine, last: ValidationLine): Fact[] {
  const before = measuresOf(first);
  return Array.from(measuresOf(last), ([name, value]) => {
    const after = `${digits(value)} after step ${last.step}`;
    const from = before.get(name);
    const both = first === last || from === undefined ? after : `${digits(from)} after step ${first.step}, ${after}`;
    return { name: `validation ${name}`, value: both };
  });
}

/** Maximum number of points that a line of a chart has. */
const mostPoints = 500;

/** Returns a chart of lines over the steps. */
function chart(title: string, lines: readonly ChartLine[], more: ChartSettings = {}): string {
  const drawn = lines.map((line) => ({ ...line, points: line.dots ? line.points : thinned(line.points, mostPoints) }));
  return lineChart({ title, xTitle: "step", lines: drawn, ...more });
}

interface ChartSettings {
  readonly caption?: string;
  readonly fromZero?: boolean;
  show?(value: number): string;
}

/** Returns a line faintly, and its moving average. */
function smoothedLines(name: string, points: readonly ChartPoint[]): ChartLine[] {
  return [
    { name: `${name}, each step`, group: name, points, faint: true },
    { name: `${name}, smoothed`, group: name, points: smoothed(thinned(points, mostPoints)) },
  ];
}

const smoothing = `strong: exponential moving average of weight ${smoothingWeight}`;

function runCharts({ metrics }: RunRecord): string {
  const steps = metrics.filter(isStep);
  const validations = metrics.filter(isValidation);
  if (steps.length + validations.length < 2) return "";
  const pointsOf = (read: (line: StepLine) => number) => steps.map((line): ChartPoint => [line.step, read(line)]);
  const validation: ChartLine = {
    name: "validation",
    group: "validation",
    points: validations.map(({ step, eval_loss }): ChartPoint => [step, eval_loss]),
    dots: true,
  };
  const training = smoothedLines(
    "training",
    pointsOf(({ loss }) => loss),
  );
  const losses = [...(steps.length > 0 ? training : []), ...(validations.length > 0 ? [validation] : [])];
  const one = (title: string, read: (line: StepLine) => number, more?: ChartSettings) =>
    chart(title, [{ name: title, group: title, points: pointsOf(read) }], more);
  const norms = smoothedLines(
    "gradient norm",
    pointsOf((line) => line.grad_norm),
  );
  const charts = [
    chart("Loss", losses, steps.length > 0 ? { caption: `Faint: each step; ${smoothing}` } : {}),
    ...measureCharts(validations),
    ...(steps.length < 2
      ? []
      : [
          one("Learning rate", (line) => line.learning_rate),
          chart("Gradient norm", norms, { caption: `Before clipping. Faint: each step; ${smoothing}` }),
          one("Tokens per second", (line) => line.tokens_per_second, { fromZero: true }),
          one("Memory", ({ memory }) => memory, { fromZero: true, show: byteTick }),
        ]),
  ];
  return chartGrid(charts);
}

/** Returns charts of a task's metrics other than the loss. */
function measureCharts(validations: readonly ValidationLine[]): string[] {
  const [first] = validations;
  const names = first ? [...measuresOf(first).keys()].filter((name) => !["loss", "perplexity"].includes(name)) : [];
  return names.map((name) => {
    const points = validations.map((line): ChartPoint => [line.step, measuresOf(line).get(name) as number]);
    return chart(`Validation ${name}`, [{ name, group: name, points, dots: true }]);
  });
}

/** Returns HTML that shows the first sample answers of the run next to the latest ones. */
function sampleBlocks({ metrics }: RunRecord): string {
  const samples = metrics.filter(isSample);
  const last = samples.at(-1);
  if (!last) return "";
  const [first] = samples;
  const part = (heading: string, text: string | undefined) =>
    text === undefined ? "" : `<div><h3>${escapeHtml(heading)}</h3><pre>${escapeHtml(text)}</pre></div>`;
  const blocks = last.samples.map(({ prompt, answer, reference }, i) => {
    const before = first === last ? undefined : (first.samples[i] as SampleAnswer | undefined)?.answer;
    const answers = [
      part(`after step ${first.step}`, before),
      part(`after step ${last.step}`, answer),
      part("in the data", reference),
    ].join("");
    return `<div class="sample"><h3>prompt</h3><pre>${escapeHtml(prompt)}</pre><div class="answers">${answers}</div></div>`;
  });
  return blocks.join("\n");
}

function trainedFacts({ targets, parameters: { trainable, all }, data }: RunRecord): Fact[] {
  return [
    ...targets.map((value) => ({ name: "targets", value })),
    {
      name: "trainable parameters",
      value: `${whole(trainable)} of ${whole(all)} (${digits((100 * trainable) / all)} %)`,
    },
    { name: "data", value: data },
  ];
}

function optionFacts(options: Readonly<Record<string, unknown>>): Fact[] {
  return Object.entries(options).map(([name, value]) => ({ name, value: wordsOf(value) }));
}

const wordsOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

interface File {
  readonly kind: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

const files: readonly Column<File>[] = [
  { title: "", key: "kind", value: ({ kind }) => kind },
  { title: "file", key: "path", value: ({ path }) => path },
  { title: "bytes", key: "bytes", value: ({ bytes }) => bytes },
  { title: "SHA-256", key: "sha256", value: ({ sha256 }) => sha256 },
];

function fileTable({ config: { data, model } }: RunRecord): string {
  const rows = [
    ...data.map((file) => ({ kind: "data", ...file })),
    ...model.map((file) => ({ kind: "model", ...file })),
  ];
  return rows.length === 0 ? "<p>none on this disk</p>" : htmlTable(files, rows);
}

function machineFacts({ config }: RunRecord): Fact[] {
  const { processor, backend, platform, node } = config;
  const known = Object.entries(backend).flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]));
  return [
    { name: "system", value: `${platform}, Node ${node}` },
    { name: "processor", value: [processor.model, ...processor.features].join(", ") },
    { name: "backend", value: known.join(", ") },
  ];
}
