import { type Job, jobName, type Measured, type Outcome, withSize } from "../../compare/job.ts";
import type { Quality } from "../../report/comparison/methodComparison.ts";
import { qualityOf } from "../../report/comparison/paretoFront.ts";
import { median } from "../../report/measure.ts";
import { findMethods } from "../../report/methods.ts";
import { barChart } from "../../report/page/barChart.ts";
import { htmlPage } from "../../report/page/htmlPage.ts";
import { qualityChart } from "../../report/pictures/qualityChart.ts";
import { type LabelledRow, qualityPoints } from "../../report/pictures/qualityPoints.ts";
import { shortName } from "../../report/shortName.ts";
import {
  byteText,
  type Column,
  csvTable,
  digits,
  htmlTable,
  jsonRows,
  markdownTable,
  markdownText,
  textTable,
  whole,
} from "../../report/table.ts";

/** Mean and deviation of a metric over seeds. */
type Spread = Pick<Quality, "mean" | "deviation">;

/** Results of one method, averaged over its seeds. */
interface Row {
  readonly title: string;
  /** Flag and value of the size that was chosen for a budget; null for the recipe's size. */
  readonly size: string | null;
  readonly learningRate: number;
  readonly seeds: number;
  readonly costs: Measured;
  readonly peakProcessBytes: number;
  readonly peakTensorBytes: number;
  readonly stepMilliseconds: number;
  readonly latencyMilliseconds: number;
  readonly mergedLatencyMilliseconds: number | null;
  readonly loss: Quality;
  readonly exactMatch: Quality | null;
  /** Increase of the loss on examples of an earlier task, in nats per token; null if not measured. */
  readonly forgetting: Quality | null;
  /** True if no other method has a better quality with at most as many trainable parameters. */
  readonly paretoOptimal: boolean;
}

/** Output of a comparison as text, Markdown and CSV. */
export interface Comparison {
  readonly text: string;
  readonly markdown: string;
  readonly csv: string;
  readonly json: string;
  readonly html: string;
}

/** Key of the runs that differ only in their seeds. */
const keyOf = ({ method, size }: Job): string => JSON.stringify([method, size]);

function rowOf(key: string, outcomes: readonly Outcome[]): Row[] {
  const own = outcomes.filter(({ job }) => keyOf(job) === key);
  const { method, size, learningRate } = own[0].job;
  const runs = own.flatMap((outcome) => ("measured" in outcome ? [outcome.measured] : []));
  if (runs.length === 0) return [];
  const middle = (of: (run: Measured) => number) => median(runs.map(of));
  const right = runs.flatMap(({ exactMatch }) => (exactMatch === null ? [] : [exactMatch]));
  const forgotten = runs.flatMap(({ earlierLoss: after, earlierLossBefore: before }) =>
    after === undefined || before === undefined ? [] : [after - before],
  );
  const merged = runs.flatMap(({ mergedLatencyMilliseconds: ms }) => (ms === null ? [] : [ms]));
  return [
    {
      title: withSize(findMethods([method])[0].title, size),
      size: size === undefined ? null : `${size.flag} ${size.value}`,
      learningRate,
      seeds: runs.length,
      costs: runs[0],
      peakProcessBytes: Math.max(...runs.map((run) => run.peakProcessBytes)),
      peakTensorBytes: Math.max(...runs.map((run) => run.peakTensorBytes)),
      stepMilliseconds: middle((run) => run.stepMilliseconds),
      latencyMilliseconds: middle((run) => run.latencyMilliseconds),
      mergedLatencyMilliseconds: merged.length > 0 ? median(merged) : null,
      loss: qualityOf(
        "test loss",
        runs.map(({ loss }) => loss),
        false,
      ),
      exactMatch: right.length > 0 ? qualityOf("exact match", right, true) : null,
      forgetting: forgotten.length > 0 ? qualityOf("forgetting", forgotten, false) : null,
      paretoOptimal: false,
    },
  ];
}

const milliseconds = (ms: number): string => (ms < 100 ? ms.toFixed(2) : ms.toFixed(0));
const percent = (share: number): string => (100 * share).toFixed(1);
const withSpread = (show: (n: number) => string, { mean, deviation }: Spread, seeds: number): string =>
  seeds > 1 ? `${show(mean)} ±${show(deviation)}` : show(mean);

const common: readonly Column<Row>[] = [
  { title: "method", key: "method", value: ({ title }) => title },
  { title: "trainable", key: "trainable", value: ({ costs }) => costs.trainable },
  { title: "%", key: "percent", value: ({ costs }) => costs.percent, show: digits },
  { title: "file", key: "bytesSaved", value: ({ costs }) => costs.bytesSaved, show: byteText },
  { title: "process", key: "peakProcessBytes", value: (row) => row.peakProcessBytes, show: byteText },
  { title: "tensors", key: "peakTensorBytes", value: (row) => row.peakTensorBytes, show: byteText },
  { title: "step ms", key: "stepMilliseconds", value: (row) => row.stepMilliseconds, show: milliseconds },
  { title: "pass ms", key: "latencyMilliseconds", value: (row) => row.latencyMilliseconds, show: milliseconds },
  {
    title: "merged ms",
    key: "mergedLatencyMilliseconds",
    value: (row) => row.mergedLatencyMilliseconds,
    show: milliseconds,
  },
];

const shown: readonly Column<Row>[] = [
  ...common,
  { title: "loss", key: "loss", value: ({ loss, seeds }) => withSpread((n) => n.toFixed(4), loss, seeds) },
  {
    title: "exact match %",
    key: "exactMatch",
    value: ({ exactMatch, seeds }) => exactMatch && withSpread(percent, exactMatch, seeds),
  },
];

const forgettingShown: Column<Row> = {
  title: "forgetting",
  key: "forgetting",
  value: ({ forgetting, seeds }) => forgetting && withSpread((n) => n.toFixed(4), forgetting, seeds),
};

/** Columns of the table. The column of forgetting is left out if no run measured it. */
const shownFor = (rows: readonly Row[]): readonly Column<Row>[] =>
  rows.some(({ forgetting }) => forgetting !== null) ? [...shown, forgettingShown] : shown;

const plain: readonly Column<Row>[] = [
  ...common,
  { title: "lr", key: "learningRate", value: ({ learningRate }) => learningRate },
  { title: "seeds", key: "seeds", value: ({ seeds }) => seeds },
  { title: "loss", key: "loss", value: ({ loss }) => loss.mean },
  { title: "loss deviation", key: "lossDeviation", value: ({ loss }) => loss.deviation },
  { title: "exact match", key: "exactMatch", value: ({ exactMatch }) => exactMatch?.mean ?? null },
  {
    title: "exact match deviation",
    key: "exactMatchDeviation",
    value: ({ exactMatch }) => exactMatch?.deviation ?? null,
  },
  { title: "forgetting", key: "forgetting", value: ({ forgetting }) => forgetting?.mean ?? null },
  {
    title: "forgetting deviation",
    key: "forgettingDeviation",
    value: ({ forgetting }) => forgetting?.deviation ?? null,
  },
  { title: "size", key: "size", value: ({ size }) => size },
  { title: "Pareto front", key: "paretoOptimal", value: ({ paretoOptimal }) => (paretoOptimal ? "yes" : "no") },
];

/** Compares the results of methods, each averaged over its seeds, in the order of the runs. */
export function compareOutcomes(outcomes: readonly Outcome[]): Comparison {
  const keys = [...new Set(outcomes.map(({ job }) => keyOf(job)))];
  const rows = withFront(keys.flatMap((key) => rowOf(key, outcomes)));
  const columns = shownFor(rows);
  const failed = outcomes.flatMap((outcome) =>
    "error" in outcome ? [`${jobName(outcome.job)}: ${outcome.error}`] : [],
  );
  const head = heading(outcomes);
  const notes = [...legend(rows), ...backends(outcomes), ...failed];
  const bullets = notes.map((note) => `- ${markdownText(note)}`);
  return {
    text: [...head, "", ...textTable(columns, rows), "", ...notes].join("\n"),
    markdown: [...head.map(markdownText), "", ...markdownTable(columns, rows), "", ...bullets].join("\n"),
    csv: csvTable(plain, rows).join("\n"),
    json: JSON.stringify({ methods: jsonRows(plain, rows), runs: outcomes }, null, 2),
    html: htmlPage({
      title: "Methods of fine-tuning compared",
      paragraphs: head,
      tables: [{ heading: "Methods", html: htmlTable(columns, rows) }],
      charts: charts(rows),
      notes,
    }),
  };
}

/** Returns a share as a percentage; undefined for null. */
const inPercent = (quality: Quality | null): Quality | undefined => {
  if (quality === null) return undefined;
  const { metric, mean, deviation, higherIsBetter } = quality;
  return { metric: `${metric} (%)`, mean: 100 * mean, deviation: 100 * deviation, higherIsBetter };
};

/** Returns rows with their quality: exact match if any run measured it, else the test loss. */
function labelled(rows: readonly Row[]): LabelledRow[] {
  const some = rows.some(({ exactMatch }) => exactMatch !== null);
  return rows.map(({ title, costs: { trainable }, exactMatch, loss }) => {
    return { label: title, trainable, quality: some ? inPercent(exactMatch) : loss };
  });
}

/** Marks the rows on the Pareto front of quality over trainable parameters. */
function withFront(rows: readonly Row[]): Row[] {
  const { points } = qualityPoints(labelled(rows));
  const front = new Set(points.flatMap(({ method, front }) => (front ? [method] : [])));
  return rows.map((row) => ({ ...row, paretoOptimal: front.has(row.title) }));
}

function heading(outcomes: readonly Outcome[]): string[] {
  const { job } = outcomes[0];
  const first = outcomes.find((outcome) => "measured" in outcome);
  const before = first && "measured" in first ? `; loss before training ${first.measured.lossBefore.toFixed(4)}` : "";
  const seeds = new Set(outcomes.map(({ job }) => job.seed)).size;
  const precision = job.precision === undefined ? "" : `, ${job.precision} precision`;
  const model = job.model === null ? "nano" : shortName(job.model);
  const learns =
    job.data.kind === "task" ? "JavaScript in the place of Python" : job.data.data.map(shortName).join(", ");
  return [
    `${model} learns ${learns}: ${whole(job.steps)} steps of ${job.batchSize} examples, ${seeds} ${seeds === 1 ? "seed" : "seeds"}${precision}${before}`,
  ];
}

/**
 * Returns a line with the backends of all runs. There may be several, since saved outcomes of an earlier command can be
 * reused.
 */
function backends(outcomes: readonly Outcome[]): string[] {
  const found = new Set(outcomes.flatMap((outcome) => ("measured" in outcome ? [outcome.measured.backend] : [])));
  return found.size > 0 ? [`backend: ${[...found].join("; ")}.`] : [];
}

function legend(rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const { latencyTokens, testExamples, exactMatch } = rows[0].costs;
  const measured = exactMatch === null ? "loss" : "loss, and answers that are right to the last token,";
  return [
    "process: the most memory that a run's process had up to the end of training; tensors: the most that these took in a step.",
    `pass: the median of a forward pass over ${latencyTokens} tokens, as trained and with the adapter merged.`,
    `${measured} over ${testExamples} test examples; ± is the standard deviation over seeds.`,
    ...(rows.some(({ forgetting }) => forgetting !== null)
      ? ["forgetting: the increase of the loss on examples of an earlier task, in nats per token."]
      : []),
    `learning rates: ${rows.map(({ title, learningRate }) => `${title} ${learningRate}`).join(", ")}.`,
  ];
}

function charts(rows: readonly Row[]): string[] {
  const chart = (
    title: string,
    show: (n: number) => string,
    bar: (row: Row) => { value: number | null; spread?: number },
    logarithmic = false,
  ): string => {
    return barChart({ title, show, logarithmic, bars: rows.map((row) => ({ label: row.title, ...bar(row) })) });
  };
  const quality = rows.some(({ exactMatch }) => exactMatch !== null)
    ? [
        chart(
          "Exact match",
          (n) => `${percent(n)} %`,
          ({ exactMatch }) => ({ value: exactMatch?.mean ?? null, spread: exactMatch?.deviation }),
        ),
      ]
    : [];
  return [
    ...qualityChart(labelled(rows)),
    ...quality,
    chart(
      "Test loss, nats per token",
      (n) => n.toFixed(4),
      ({ loss }) => ({ value: loss.mean, spread: loss.deviation }),
    ),
    ...earlierChart(rows),
    chart("Trainable parameters", whole, ({ costs }) => ({ value: costs.trainable }), true),
    chart("Peak memory of tensors while training", byteText, (row) => ({ value: row.peakTensorBytes })),
    chart("Time of a step, ms", milliseconds, (row) => ({ value: row.stepMilliseconds })),
    chart("Forward pass as trained, ms", milliseconds, (row) => ({ value: row.latencyMilliseconds })),
    chart("Forward pass merged, ms", milliseconds, (row) => ({ value: row.mergedLatencyMilliseconds })),
  ];
}

/** Returns the chart of the loss on an earlier task, with the loss before training as a line. Empty if not measured. */
function earlierChart(rows: readonly Row[]): string[] {
  const before = rows.find(({ costs }) => costs.earlierLossBefore !== undefined)?.costs.earlierLossBefore;
  if (before === undefined) return [];
  const bars = rows.map(({ title, forgetting }) => {
    return { label: title, value: forgetting && before + forgetting.mean, spread: forgetting?.deviation };
  });
  const show = (loss: number) => loss.toFixed(4);
  const mark = { value: before, name: "before training", label: `before training: ${show(before)}` };
  return [barChart({ title: "Loss on the earlier task, nats per token", show, bars, mark })];
}
